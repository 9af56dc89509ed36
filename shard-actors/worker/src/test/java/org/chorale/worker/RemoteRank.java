// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.stream.Stream;
import org.apache.pekko.NotUsed;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorRefResolver;
import org.apache.pekko.stream.javadsl.Source;
import org.chorale.proto.batch.StepBatch;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.FeederCommand;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.training.pipeline.LocalComponents;

/**
 * A worker with the only rank of a run, in a system of its own: to its coordinator and feeder, which share the other one,
 * it speaks over TCP, with Artery's frames as large as by default.
 */
final class RemoteRank implements AutoCloseable {
    static final long GENERATION = 1;

    private static final Config REMOTE = ConfigFactory.parseString("""
                    pekko.actor.provider = remote
                    pekko.remote.artery.transport = tcp
                    pekko.remote.artery.canonical { hostname = "127.0.0.1", port = 0 }
                    pekko.remote.use-unsafe-remote-features-outside-cluster = on
                    pekko.coordinated-shutdown.exit-jvm = off
                    """).withFallback(ConfigFactory.load());

    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private final ActorTestKit here = ActorTestKit.create("rank", REMOTE);
    private final ActorTestKit there = ActorTestKit.create("coordinator", REMOTE);
    private final TestProbe<CoordinatorCommand> coordinator = there.createTestProbe();
    private final TestProbe<FeederCommand> feeder = there.createTestProbe();
    private final ActorRef<WorkerCommand> worker;

    /** A worker that has loaded a tiny model. */
    RemoteRank(Path directory, String... settings) throws IOException {
        Examples.writeModel(directory);
        ActorRef<CoordinatorCommand> ear = seenFromHere(coordinator.ref());
        here.spawn(WorkerActor.create(new WorkerPlace("here/0", 1, "127.0.0.1"), ear, LocalComponents.none()));
        worker = heard(CoordinatorCommand.WorkerJoined.class).ref();
        String conf = Examples.runConf(directory, "fp32", "2 minutes", String.join("\n", settings));
        worker.tell(new WorkerCommand.DescribeModel(GENERATION, conf, coordinator.ref()));
        worker.tell(new WorkerCommand.TakeShard(
                GENERATION,
                0,
                Plans.fullShard(heard(CoordinatorCommand.ModelDescribed.class).outline(), 1),
                conf,
                Optional.empty(),
                1000,
                directory.resolve("rendezvous").toString(),
                feeder.ref(),
                coordinator.ref()));
        heard(CoordinatorCommand.ShardReady.class);
    }

    /** Has the worker run these steps of a feeder's. */
    void run(Source<StepBatch, NotUsed> batches, long steps) {
        worker.tell(new WorkerCommand.RunSteps(GENERATION, 0, steps));
        FeederCommand.OpenFeed asked = feeder.expectMessageClass(FeederCommand.OpenFeed.class, PATIENCE);
        worker.tell(new WorkerCommand.FeedOpened(
                GENERATION, asked.feed(), asked.number(), Examples.stream(batches, there.system())));
    }

    /** What the coordinator hears next, but for signs of life. */
    <M extends CoordinatorCommand> M heard(Class<M> type) {
        return Stream.generate(() -> coordinator.receiveMessage(PATIENCE))
                .filter(message -> !(message instanceof CoordinatorCommand.StillWorking))
                .map(type::cast)
                .findFirst()
                .orElseThrow();
    }

    /** For what takes time to come true, as the coordinator's side sees it. */
    TestProbe<CoordinatorCommand> patience() {
        return there.createTestProbe();
    }

    /** Bytes in which a message must fit. */
    long frameBytes() {
        return there.system().settings().config().getBytes("pekko.remote.artery.advanced.maximum-frame-size");
    }

    private <M> ActorRef<M> seenFromHere(ActorRef<M> ref) {
        return ActorRefResolver.get(here.system())
                .resolveActorRef(ActorRefResolver.get(there.system()).toSerializationFormat(ref));
    }

    @Override
    public void close() {
        here.shutdownTestKit();
        there.shutdownTestKit();
    }
}
