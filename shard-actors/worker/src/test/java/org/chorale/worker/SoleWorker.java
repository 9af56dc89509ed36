// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import org.apache.pekko.NotUsed;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.japi.Pair;
import org.apache.pekko.stream.BoundedSourceQueue;
import org.apache.pekko.stream.javadsl.Source;
import org.chorale.proto.batch.StepBatch;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.CoordinatorCommand.StillWorking;
import org.chorale.proto.message.FeederCommand;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.proto.wire.ModelOutline;
import org.chorale.training.pipeline.LocalComponents;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/** The only worker of a run as its coordinator and its feeder see it, with a real shard behind it. */
abstract class SoleWorker {
    static final long GENERATION = 3;
    static final WorkerPlace PLACE = new WorkerPlace("127.0.0.1:2550/0", 2, "127.0.0.1");
    static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final Duration SEVERAL_TICKS = Duration.ofMillis(800); // of a quarter second, see Pulse

    @TempDir
    Path directory;

    final ActorTestKit kit = ActorTestKit.create();
    final TestProbe<CoordinatorCommand> coordinator = kit.createTestProbe();
    final TestProbe<CoordinatorCommand> atWork = kit.createTestProbe();
    final TestProbe<FeederCommand> feeder = kit.createTestProbe();
    ActorRef<WorkerCommand> worker;
    String precision = "fp32";
    String more = "";

    @BeforeEach
    void start() throws IOException {
        Examples.writeModel(directory);
        worker = kit.spawn(WorkerActor.create(PLACE, kit.spawn(ear()), LocalComponents.none()));
        CoordinatorCommand.WorkerJoined joined = heard(CoordinatorCommand.WorkerJoined.class);
        assertThat(joined.ref()).isEqualTo(worker);
        assertThat(joined.worker()).isEqualTo(PLACE.worker());
        assertThat(joined.incarnation()).isEqualTo(PLACE.incarnation());
    }

    @AfterEach
    void stop() {
        kit.shutdownTestKit();
    }

    @CanIgnoreReturnValue
    final CoordinatorCommand.ShardReady load(Optional<String> checkpoint) {
        return load(GENERATION, checkpoint);
    }

    final CoordinatorCommand.ShardReady load(long generation, Optional<String> checkpoint) {
        worker.tell(new WorkerCommand.DescribeModel(generation, runConf(), coordinator.ref()));
        ModelOutline outline = heard(CoordinatorCommand.ModelDescribed.class).outline();
        assertThat(outline.getVocabulary()).isEqualTo(11);
        worker.tell(new WorkerCommand.TakeShard(
                generation,
                0,
                Plans.fullShard(outline, 1),
                runConf(),
                checkpoint,
                100,
                directory.resolve("rendezvous").toString(),
                feeder.ref(),
                coordinator.ref()));
        return heard(CoordinatorCommand.ShardReady.class);
    }

    final String runConf() {
        return Examples.runConf(directory, precision, "1 second", more);
    }

    /** What is offered here gets to the worker by the feed that it asked for last. */
    final BoundedSourceQueue<StepBatch> feed() {
        return answer(asked(FeederCommand.OpenFeed.class));
    }

    final BoundedSourceQueue<StepBatch> answer(FeederCommand.OpenFeed opened) {
        Pair<BoundedSourceQueue<StepBatch>, Source<StepBatch, NotUsed>> batches =
                Source.<StepBatch>queue(10).preMaterialize(kit.system());
        answer(opened, batches.second());
        return batches.first();
    }

    final void answer(FeederCommand.OpenFeed opened, Source<StepBatch, NotUsed> batches) {
        worker.tell(new WorkerCommand.FeedOpened(
                opened.generation(), opened.feed(), opened.number(), Examples.stream(batches, kit.system())));
    }

    /** A worker may say at any time that it is at work: that is heard apart from what it has to tell. */
    private Behavior<CoordinatorCommand> ear() {
        return Behaviors.receiveMessage(message -> {
            (message instanceof StillWorking ? atWork : coordinator).ref().tell(message);
            return Behaviors.same();
        });
    }

    final void awaitRest() {
        atWork.awaitAssert(PATIENCE, () -> {
            atWork.expectNoMessage(SEVERAL_TICKS);
            return true;
        });
    }

    @CanIgnoreReturnValue
    final <M extends CoordinatorCommand> M heard(Class<M> type) {
        return coordinator.expectMessageClass(type, PATIENCE);
    }

    final <M extends FeederCommand> M asked(Class<M> type) {
        return feeder.expectMessageClass(type, PATIENCE);
    }
}
