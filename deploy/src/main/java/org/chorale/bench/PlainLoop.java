// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.stream.javadsl.Sink;
import org.chorale.data.FeederActor;
import org.chorale.model.ModelFolder;
import org.chorale.node.config.RunFile;
import org.chorale.node.system.SystemConfig;
import org.chorale.proto.batch.Batch;
import org.chorale.proto.batch.Feed;
import org.chorale.proto.batch.StepBatch;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.feed.BatchFraming;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.CoordinatorCommand.DataDescribed;
import org.chorale.proto.message.CoordinatorCommand.FeedFailed;
import org.chorale.proto.message.FeederCommand;
import org.chorale.proto.message.FeederCommand.DescribeData;
import org.chorale.proto.message.FeederCommand.OpenFeed;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.proto.message.WorkerCommand.FeedOpened;
import org.chorale.tensor.device.Device;
import org.chorale.training.MicroBatch;
import org.chorale.training.StepResult;
import org.chorale.training.TrainStep;
import org.chorale.training.optimizer.AdamW;
import org.chorale.training.optimizer.OptimizerConfig;
import org.chorale.training.shard.ModelShard;

/**
 * The quickstart's run without a coordinator: its first batches are made before, by the feeder, and stepped through again
 * and again on one thread, without actors. A line of JSON per step, like those of {@code chorale train --json}.
 *
 * <p>Arguments: the quickstart's recipe, a folder for its data, how many batches, and keys of the run.
 */
final class PlainLoop {
    private static final Duration LIMIT = Duration.ofMinutes(2);

    private PlainLoop() {}

    /** Runs until it is killed. */
    public static void main(String[] arguments) throws Exception {
        Path recipe = Path.of(arguments[0]);
        Path dir = Files.createDirectories(Path.of(arguments[1]));
        List<String> keys = List.of(arguments).subList(3, arguments.length);
        String conf = new RunFile(recipe, dir).resolve(keys, Optional.of(dir)).text();
        List<StepBatch> batches = batches(conf, Integer.parseInt(arguments[2]));
        OptimizerConfig settings = ConfigReader.read(conf, "optimizer", OptimizerConfig.class);
        Path model = recipe.resolveSibling("quickstart").resolve("model");
        try (ModelFolder folder = ModelFolder.random(model, 42);
                ModelShard shard = ModelShard.whole(folder, Device.CPU);
                AdamW optimizer = new AdamW(settings, shard.groups())) {
            TrainStep step = new TrainStep(shard, optimizer, settings.clipNorm());
            for (int i = 0; ; i++) {
                StepBatch batch = batches.get(i % batches.size());
                List<MicroBatch> microBatches =
                        batch.microBatches().stream().map(PlainLoop::microBatch).toList();
                StepResult result = step.run(microBatches, settings.learningRate());
                System.out.printf(
                        "{\"event\":\"step\",\"step\":%d,\"loss\":%s,\"tokens\":%d}%n",
                        i + 1, result.lossNats(), batch.tokens());
            }
        }
    }

    private static List<StepBatch> batches(String conf, int count) throws Exception {
        CompletableFuture<FeedOpened> opened = new CompletableFuture<>();
        ActorSystem<Void> system =
                ActorSystem.create(openFeed(conf, opened), "batches", SystemConfig.complete(SystemConfig.local()));
        try {
            FeedOpened feed = opened.get(LIMIT.toMillis(), TimeUnit.MILLISECONDS);
            return BatchFraming.decode(feed.batches(), system)
                    .take(count)
                    .runWith(Sink.seq(), system)
                    .toCompletableFuture()
                    .get();
        } finally {
            system.terminate();
            system.getWhenTerminated().toCompletableFuture().get();
        }
    }

    /** Plays coordinator and worker for a feeder, as far as one feed needs them. */
    private static Behavior<Void> openFeed(String conf, CompletableFuture<FeedOpened> opened) {
        return Behaviors.setup(context -> {
            ActorRef<FeederCommand> feeder = context.spawn(FeederActor.create(), "feeder");
            ActorRef<WorkerCommand> worker = context.spawnAnonymous(Behaviors.receive(WorkerCommand.class)
                    .onMessage(FeedOpened.class, feed -> {
                        opened.complete(feed);
                        return Behaviors.same();
                    })
                    .build());
            ActorRef<CoordinatorCommand> coordinator =
                    context.spawnAnonymous(Behaviors.receive(CoordinatorCommand.class)
                            .onMessage(DataDescribed.class, data -> {
                                feeder.tell(new OpenFeed(1, Feed.TRAIN, 1, 0, 1, 0, worker));
                                return Behaviors.same();
                            })
                            .onMessage(FeedFailed.class, failed -> {
                                opened.completeExceptionally(new FaultException(
                                        failed.fault().code(), failed.fault().message()));
                                return Behaviors.same();
                            })
                            .onAnyMessage(other -> Behaviors.same())
                            .build());
            feeder.tell(new DescribeData(1, 0, conf, coordinator));
            return Behaviors.empty();
        });
    }

    private static MicroBatch microBatch(Batch batch) {
        long[] shape = batch.column(Batch.TOKENS).shape();
        return MicroBatch.rightPadded(
                        (int) shape[0],
                        (int) shape[1],
                        batch.column(Batch.TOKENS).longs(),
                        batch.column(Batch.LABELS).longs())
                .withLengths(batch.column(Batch.LENGTHS).longs());
    }
}
