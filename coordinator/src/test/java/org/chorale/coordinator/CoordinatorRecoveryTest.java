// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.actor.typed.ActorRef;
import org.chorale.coordinator.directory.RunDirectory;
import org.chorale.coordinator.directory.RunFixture;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.FeederCommand;
import org.chorale.proto.message.GroupKey;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.proto.wire.RankHolding;
import org.chorale.proto.wire.RunEnded.Outcome;
import org.chorale.proto.wire.RunEvent;
import org.chorale.proto.wire.ShardFile;
import org.chorale.proto.wire.StepReport;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A real coordinator on a real directory, with probes where two workers and a feeder stand. */
class CoordinatorRecoveryTest {
    private static final ActorTestKit KIT = ActorTestKit.create(Rehearsal.PATIENT);

    @TempDir
    Path dir;

    private final TestProbe<RunEvent> listener = KIT.createTestProbe();
    private final TestProbe<FeederCommand> feeder = KIT.createTestProbe();
    private final List<TestProbe<WorkerCommand>> workers = new ArrayList<>();
    private RunDirectory directory;
    private ActorRef<CoordinatorCommand> coordinator;
    private long generation;

    @BeforeEach
    void start() {
        String conf = RunFixture.conf(dir, "run.steps = 4", "checkpoint.every = 2", "parallel.workers = 2");
        directory = RunDirectory.open(dir, conf);
        coordinator = KIT.spawn(Coordinator.create(conf, directory, listener.ref()));
        coordinator.tell(new CoordinatorCommand.FeederJoined("node", 1, "host", feeder.ref()));
        workers.add(join(0, 1));
        workers.add(join(1, 1));
    }

    @AfterEach
    void close() {
        KIT.stop(coordinator);
        directory.close();
    }

    @AfterAll
    static void shutDown() {
        KIT.shutdownTestKit();
    }

    @Test
    void aRunThatLosesAWorkerGoesOnWithAnotherFromItsCommitAndLeavesEachLineOnce() throws IOException {
        describe();
        load(0);
        span(0, 2);
        checkpoint(2);
        expectAll(new WorkerCommand.RunSteps(generation, 2, 4));
        step(3);
        coordinator.tell(new CoordinatorCommand.WorkerLost("node/1", 1, "signal 9"));
        workers.get(0).expectMessage(new WorkerCommand.Abandon(generation + 1));
        coordinator.tell(new CoordinatorCommand.Abandoned(generation + 1, "node/0", 1));
        workers.set(1, join(1, 2));
        load(2);
        assertThat(metrics()).as("what came after the commit will come again").containsExactly("1", "2");
        span(2, 4);
        checkpoint(4);
        export();
        expectAll(new WorkerCommand.Dismiss());
        assertThat(ended()).isEqualTo(Outcome.FINISHED);
        assertThat(metrics()).containsExactly("1", "2", "3", "4");
        assertThat(names(dir.resolve("generations"))).containsExactly("1", "2");
    }

    @Test
    void theKeyOfAGroupGoesFromRankZeroToTheOthersOfItsGenerationAlone() {
        describe();
        workers.forEach(worker -> worker.expectMessageClass(WorkerCommand.TakeShard.class));
        coordinator.tell(new CoordinatorCommand.GroupKeyMade(generation - 1, key(1)));
        coordinator.tell(new CoordinatorCommand.GroupKeyMade(generation, key(2)));
        workers.get(1).expectMessage(new WorkerCommand.JoinGroup(generation, key(2)));

        coordinator.tell(new CoordinatorCommand.WorkerLost("node/1", 1, "signal 9"));
        coordinator.tell(new CoordinatorCommand.GroupKeyMade(generation, key(3)));
        workers.get(0).expectMessage(new WorkerCommand.Abandon(generation + 1));
        workers.get(1).expectNoMessage(Duration.ZERO);
    }

    private static GroupKey key(int value) {
        byte[] bytes = new byte[GroupKey.BYTES];
        bytes[0] = (byte) value;
        return new GroupKey(bytes);
    }

    @Test
    void aWorkerOfALocalRunWhoseActorStopsIsLost() {
        describe();
        workers.get(0).expectMessageClass(WorkerCommand.TakeShard.class);
        workers.get(1).stop();
        workers.get(0).expectMessage(new WorkerCommand.Abandon(generation + 1));
    }

    @Test
    void ranksMeetInAFolderOfTheirGenerationAloneWhichIsGoneAtTheEnd() {
        describe();
        Path rendezvous = Path.of(load(0));
        assertThat(rendezvous).isEqualTo(dir.resolve("rendezvous/1")).isEmptyDirectory();
        coordinator.tell(new CoordinatorCommand.WorkerLost("node/1", 1, "signal 9"));
        coordinator.tell(new CoordinatorCommand.Abandoned(generation + 1, "node/0", 1));
        workers.set(1, join(1, 2));
        workers.get(1).expectMessageClass(WorkerCommand.TakeShard.class);
        assertThat(rendezvous).doesNotExist();
        assertThat(dir.resolve("rendezvous/2")).isEmptyDirectory();
        directory.close();
        assertThat(dir.resolve("rendezvous")).doesNotExist();
    }

    private TestProbe<WorkerCommand> join(int slot, int incarnation) {
        TestProbe<WorkerCommand> worker = KIT.createTestProbe();
        coordinator.tell(new CoordinatorCommand.WorkerJoined("node/" + slot, incarnation, "host", "cpu", worker.ref()));
        return worker;
    }

    private void describe() {
        generation = workers.get(0)
                .expectMessageClass(WorkerCommand.DescribeModel.class)
                .generation();
        feeder.expectMessageClass(FeederCommand.DescribeData.class);
        coordinator.tell(new CoordinatorCommand.ModelDescribed(generation, Rehearsal.MODEL));
        coordinator.tell(new CoordinatorCommand.DataDescribed(generation, 0, 100, 50, 0, 0, 100, "digest"));
    }

    /** All ranks load a step; returns where they are to meet. */
    private String load(long step) {
        String rendezvous = "";
        for (int rank = 0; rank < workers.size(); rank++) {
            WorkerCommand.TakeShard take = workers.get(rank).expectMessageClass(WorkerCommand.TakeShard.class);
            generation = take.generation();
            rendezvous = take.rendezvous();
            assertThat(take.rank()).isEqualTo(rank);
            assertThat(take.checkpoint().isPresent()).isEqualTo(step > 0);
            coordinator.tell(
                    new CoordinatorCommand.ShardReady(generation, rank, step, 10, RankHolding.getDefaultInstance()));
        }
        return rendezvous;
    }

    private void span(long from, long until) {
        expectAll(new WorkerCommand.RunSteps(generation, from, until));
        for (long step = from + 1; step <= until; step++) {
            step(step);
        }
        for (int rank = 0; rank < workers.size(); rank++) {
            coordinator.tell(new CoordinatorCommand.SpanDone(generation, rank, until));
        }
    }

    private void step(long step) {
        for (int rank = 0; rank < workers.size(); rank++) {
            StepReport report = StepReport.newBuilder()
                    .setStep(step)
                    .setSeconds(1)
                    .addSamples(rank)
                    .build();
            coordinator.tell(new CoordinatorCommand.StepDone(generation, rank, report));
        }
    }

    private void checkpoint(long step) throws IOException {
        for (int rank = 0; rank < workers.size(); rank++) {
            WorkerCommand.WriteShard write = workers.get(rank).expectMessageClass(WorkerCommand.WriteShard.class);
            ShardFile file = RunFixture.shard(Path.of(write.folder()), rank, "weights of step " + step);
            coordinator.tell(new CoordinatorCommand.ShardWritten(generation, rank, step, file));
        }
    }

    /** Ordered of rank 0 alone. */
    private void export() throws IOException {
        WorkerCommand.ExportModel export = workers.get(0).expectMessageClass(WorkerCommand.ExportModel.class);
        assertThat(Path.of(export.checkpoint())).isEqualTo(dir.resolve("checkpoints/step-000004"));
        RunFixture.export(Path.of(export.folder()));
        coordinator.tell(new CoordinatorCommand.ModelExported(generation, 4));
    }

    private void expectAll(WorkerCommand command) {
        workers.forEach(worker -> worker.expectMessage(command));
    }

    private Outcome ended() {
        RunEvent event = listener.receiveMessage();
        while (!event.hasEnded()) {
            event = listener.receiveMessage();
        }
        return event.getEnded().getOutcome();
    }

    private List<String> metrics() throws IOException {
        return Files.readAllLines(dir.resolve("metrics.jsonl")).stream()
                .map(line -> line.replaceAll(".*\"step\":(\\d+),.*", "$1"))
                .toList();
    }

    private static List<String> names(Path folder) throws IOException {
        try (Stream<Path> entries = Files.list(folder)) {
            return entries.map(entry -> entry.getFileName().toString()).sorted().toList();
        }
    }
}
