// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.chorale.worker.Examples.batch;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.stream.StreamSupport;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.actor.typed.ActorRef;
import org.chorale.proto.batch.Feed;
import org.chorale.proto.batch.StepBatch;
import org.chorale.proto.message.CoordinatorCommand.ModelDescribed;
import org.chorale.proto.message.CoordinatorCommand.ShardReady;
import org.chorale.proto.message.CoordinatorCommand.SpanDone;
import org.chorale.proto.message.CoordinatorCommand.StepDone;
import org.chorale.proto.message.FeederCommand;
import org.chorale.proto.message.WorkerCommand.TakeShard;
import org.chorale.proto.wire.ModelOutline;
import org.chorale.tensor.NativeMemory;
import org.chorale.training.pipeline.LocalComponents;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A shard whose steps are read as on a GPU: after the next has begun. */
final class ShardActorTest {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final long INTAKE = 1;
    private static final int LATE = 1;

    @TempDir
    private Path directory;

    private final ActorTestKit kit = ActorTestKit.create();

    @BeforeEach
    void writeModel() throws IOException {
        Examples.writeModel(directory);
        Files.createDirectory(directory.resolve("rendezvous"));
    }

    @AfterEach
    void stop() {
        kit.shutdownTestKit();
    }

    @Test
    void aStepIsReportedAfterTheNextHasBegun() {
        Rank rank = new Rank();
        rank.load(0, 1);
        rank.give(1, 2, 3);
        rank.run(0, 3);
        rank.heardBegin();
        rank.heardBegin();
        rank.heardStep(1);
        rank.heardBegin();
        rank.heardStep(2);
        rank.heardStep(3);
        rank.heardEnd(3);
    }

    @Test
    void aStepDoesNotWaitForSlowDataToBeReported() {
        Rank rank = new Rank();
        rank.load(0, 1);
        rank.run(0, 100);
        for (int step = 1; step <= 3; step++) {
            rank.give(step);
            rank.heardBegin();
            rank.heardStep(step);
        }
    }

    @Test
    void aStopIsFollowedByOneMoreStep() {
        Rank rank = new Rank();
        rank.load(0, 1);
        rank.run(0, 100);
        rank.shard.tell(new ShardCommand.EndSpan());
        rank.give(1);
        rank.heardBegin();
        rank.heardStep(1);
        rank.probe.expectNoMessage(Duration.ofMillis(100));
        rank.give(2);
        rank.heardBegin();
        rank.heardStep(2);
        rank.heardEnd(2);
        rank.run(2, 3);
        rank.give(3);
        rank.heardBegin();
        rank.heardStep(3);
        rank.heardEnd(3);
    }

    @Test
    void aStopInTheLastStepOfASpanAddsNone() {
        Rank rank = new Rank();
        rank.load(0, 1);
        rank.run(0, 1);
        rank.shard.tell(new ShardCommand.EndSpan());
        rank.give(1);
        rank.heardBegin();
        rank.heardStep(1);
        rank.heardEnd(1);
    }

    @Test
    void aRankThatReadsEarlyEndsAfterTheSameStepAsOneThatReadsLate() {
        Rank eager = new Rank();
        Rank slow = new Rank();
        eager.beginLoad(0, 2);
        slow.beginLoad(1, 2);
        eager.heard(ShardReady.class);
        slow.heard(ShardReady.class);
        eager.give(1, 2, 3, 4, 5, 6);
        eager.run(0, 100);
        slow.run(0, 100);
        slow.give(1);
        slow.heardBegin();
        slow.heardStep(1);
        slow.shard.tell(new ShardCommand.EndSpan());
        slow.give(2);
        slow.heardBegin();
        slow.heardStep(2); // and now it knows, while the other may have begun the third step
        slow.give(3);
        slow.heardBegin();
        slow.heardStep(3);
        slow.heardEnd(3);
        eager.heardBegin();
        eager.heardBegin();
        eager.heardStep(1);
        eager.heardBegin();
        eager.heardStep(2);
        eager.heardStep(3);
        eager.heardEnd(3);
    }

    @Test
    void aShardThatFailsFreesTheStepThatNobodyHasRead() {
        long before = NativeMemory.liveReferences();
        Rank rank = new Rank();
        rank.load(0, 1);
        rank.give(1, 5);
        rank.run(0, 100);
        rank.heardBegin();
        rank.heardBegin(); // not the batch that is due
        rank.probe.expectTerminated(rank.shard, PATIENCE);
        assertThat(NativeMemory.liveReferences()).isEqualTo(before);
    }

    @Test
    void aProfileHasTheStepsAfterTheFirstTwoAndWhatTheShardWaitedFor() throws IOException {
        Rank rank = new Rank();
        rank.beginLoad(0, 1, "run { profile-steps = 2, dir = \"" + directory + "\" }");
        rank.heard(ShardReady.class);
        rank.run(0, 6);
        for (int step = 1; step <= 6; step++) {
            rank.give(step);
            rank.heardBegin();
            rank.heardStep(step);
        }
        rank.heardEnd(6);

        JsonNode trace = new ObjectMapper()
                .readTree(directory.resolve("profile/rank-00000.json").toFile());
        assertThat(trace.at("/otherData/steps").asText()).isEqualTo("3-4");
        assertThat(names(trace, "step")).containsExactly("step 3", "step 4");
        assertThat(names(trace, "actor")).contains("until Batch", "until Next", "batch of step 4");
        assertThat(names(trace, "host"))
                .contains("begin step 3", "begin step 4", "read step 3", "read step 4", "Batch", "Next");
        assertThat(events(trace)).allSatisfy(event -> {
            assertThat(event.get("ts").asDouble()).isNotNegative();
            assertThat(event.get("dur").asDouble()).isNotNegative();
        });
        assertThat(events(trace))
                .extracting(event -> event.get("ts").asDouble())
                .isSorted();
    }

    @Test
    void aRunOfFewStepsIsProfiledFromItsFirst() throws IOException {
        Rank rank = new Rank();
        rank.totalSteps = 3;
        rank.beginLoad(0, 1, "run { profile-steps = 5, dir = \"" + directory + "\" }");
        rank.heard(ShardReady.class);
        rank.give(1, 2, 3);
        rank.run(0, 3);
        rank.heardBegin();
        rank.heardBegin();
        rank.heardStep(1);
        rank.heardBegin();
        rank.heardStep(2);
        rank.heardStep(3);
        rank.heardEnd(3);

        JsonNode trace = new ObjectMapper()
                .readTree(directory.resolve("profile/rank-00000.json").toFile());
        assertThat(names(trace, "step")).containsExactly("step 1", "step 2", "step 3");
    }

    private static List<JsonNode> events(JsonNode trace) {
        return StreamSupport.stream(trace.get("traceEvents").spliterator(), false)
                .filter(event -> event.get("ph").asText().equals("X"))
                .toList();
    }

    private static List<String> names(JsonNode trace, String category) {
        return events(trace).stream()
                .filter(event -> event.get("cat").asText().equals(category))
                .map(event -> event.get("name").asText())
                .toList();
    }

    /** One shard, and all that it tells its worker and its coordinator, in order. */
    private final class Rank {
        private long totalSteps = 100;
        private final TestProbe<Object> probe = kit.createTestProbe(Object.class);
        private final ActorRef<ShardCommand> shard = kit.spawn(
                ShardActor.create(
                        probe.ref().narrow(),
                        probe.ref().narrow(),
                        LocalComponents.none(),
                        new Cancellation(),
                        device -> LATE),
                ShardActor.DISPATCHER);

        Rank() {
            heard(ShardActor.Began.class);
        }

        void load(int rank, int worldSize) {
            beginLoad(rank, worldSize);
            heard(ShardReady.class);
        }

        void beginLoad(int rank, int worldSize) {
            beginLoad(rank, worldSize, "");
        }

        void beginLoad(int rank, int worldSize, String more) {
            String runConf = Examples.runConf(directory, "fp32", "20 seconds", more);
            shard.tell(new ShardCommand.Describe(1, runConf));
            ModelOutline outline = heard(ModelDescribed.class).outline();
            TakeShard order = new TakeShard(
                    1,
                    rank,
                    Plans.fullShard(outline, worldSize),
                    runConf,
                    Optional.empty(),
                    totalSteps,
                    directory.resolve("rendezvous").toString(),
                    kit.<FeederCommand>createTestProbe().ref(),
                    probe.ref().narrow());
            DeviceMeeting devices = new DeviceMeeting(DeviceLink::ofShared, key -> {});
            WorkerPlace place = new WorkerPlace("here/" + rank, 1, "127.0.0.1");
            shard.tell(new ShardCommand.Load(order, place, devices, Duration.ZERO));
        }

        void run(long from, long until) {
            shard.tell(new ShardCommand.Run(from, until, INTAKE));
        }

        void give(long... steps) {
            for (long step : steps) {
                StepBatch batch = batch(Feed.TRAIN, step, false);
                shard.tell(new ShardCommand.Batch(batch, INTAKE, System.nanoTime(), System.nanoTime()));
            }
        }

        void heardBegin() {
            heard(ShardActor.BatchTaken.class);
        }

        void heardStep(long step) {
            assertThat(heard(StepDone.class).report().getStep()).isEqualTo(step);
        }

        void heardEnd(long step) {
            assertThat(heard(SpanDone.class).step()).isEqualTo(step);
        }

        <M> M heard(Class<M> type) {
            return probe.expectMessageClass(type, PATIENCE);
        }
    }
}
