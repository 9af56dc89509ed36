// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package shop;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.LongStream;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.chorale.embed.Chorale;
import org.chorale.embed.RunHandle;
import org.chorale.pipeline.AdamW;
import org.chorale.pipeline.Data;
import org.chorale.pipeline.ModelFactory;
import org.chorale.pipeline.Pipeline;
import org.chorale.proto.wire.RunEnded;

/**
 * An application with an actor system of its own, in which it has Chorale train.
 *
 * <pre>
 * java -cp 'target/*:target/lib/*' shop.Main train MODEL_DIR RUN_DIR
 * java -cp 'target/*:target/lib/*' shop.Main submit RUN.conf HOST:PORT
 * </pre>
 */
public final class Main {
    private static final int ROWS = 64;
    private static final int TOKENS = 12;
    private static final long LIMIT_MINUTES = 10;

    private Main() {}

    public static void main(String[] arguments) throws Exception {
        ActorSystem<Void> shop = ActorSystem.create(Behaviors.empty(), "shop");
        try {
            RunHandle run =
                    switch (arguments[0]) {
                        case "train" -> train(shop, Path.of(arguments[1]), Path.of(arguments[2]));
                        case "submit" -> submit(shop, Path.of(arguments[1]), arguments[2]);
                        default -> throw new IllegalArgumentException(arguments[0] + ": must be train or submit");
                    };
            run.events().runForeach(event -> System.out.println("event " + event.getEventCase()), shop);
            RunEnded ended = run.result().toCompletableFuture().get(LIMIT_MINUTES, TimeUnit.MINUTES);
            System.out.printf("%s %s after step %d%n", run.name(), ended.getOutcome(), ended.getStep());
            System.out.println(run.status().toCompletableFuture().get(LIMIT_MINUTES, TimeUnit.MINUTES).getWorkers()
                    + " workers");
        } finally {
            shop.terminate();
            shop.getWhenTerminated().toCompletableFuture().get(LIMIT_MINUTES, TimeUnit.MINUTES);
        }
        System.out.println("the shop goes on");
    }

    /** In this actor system, with two workers, each in a process of its own. */
    private static RunHandle train(ActorSystem<?> shop, Path model, Path runDirectory) {
        Pipeline pipeline = Pipeline.builder()
                .model(ModelFactory.fromConfig(model))
                .data(Data.of(rows()).batchSize(8).microBatch(4).sequenceTokens(TOKENS))
                .optimizer(AdamW.learningRate(1e-3))
                .outputDir(runDirectory)
                .steps(4)
                .set("parallel.workers", 2)
                .build();
        return Chorale.get(shop).submit(pipeline);
    }

    /** On a cluster of Chorale, which this application only asks. */
    private static RunHandle submit(ActorSystem<?> shop, Path runFile, String node) throws Exception {
        return Chorale.get(shop)
                .cluster(node)
                .submit(runFile)
                .toCompletableFuture()
                .get(LIMIT_MINUTES, TimeUnit.MINUTES);
    }

    /** Token ids that count upwards, from another one in each row. */
    private static List<long[]> rows() {
        return LongStream.range(0, ROWS)
                .mapToObj(row -> LongStream.range(row, row + TOKENS).toArray())
                .toList();
    }
}
