// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.apache.pekko.NotUsed;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.stream.javadsl.Source;
import org.chorale.proto.batch.Feed;
import org.chorale.proto.batch.StepBatch;
import org.chorale.proto.checkpoint.ManifestFile;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.CoordinatorCommand.Abandoned;
import org.chorale.proto.message.CoordinatorCommand.Evaluated;
import org.chorale.proto.message.CoordinatorCommand.ModelDescribed;
import org.chorale.proto.message.CoordinatorCommand.ShardReady;
import org.chorale.proto.message.CoordinatorCommand.ShardWritten;
import org.chorale.proto.message.CoordinatorCommand.SpanDone;
import org.chorale.proto.message.CoordinatorCommand.StepDone;
import org.chorale.proto.message.CoordinatorCommand.StillWorking;
import org.chorale.proto.message.CoordinatorCommand.WorkerFailed;
import org.chorale.proto.message.CoordinatorCommand.WorkerJoined;
import org.chorale.proto.message.FeederCommand;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.proto.wire.CheckpointManifest;
import org.chorale.proto.wire.ModelOutline;
import org.chorale.proto.wire.StepReport;
import org.chorale.training.pipeline.LocalComponents;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Workers of several ranks in one JVM, as their coordinator sees them, over real connections. */
final class WorkerTeamTest {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final long FAR = 1_000_000;

    @TempDir
    private Path directory;

    private final ActorTestKit kit = ActorTestKit.create();
    private final TestProbe<CoordinatorCommand> coordinator = kit.createTestProbe();
    private final ActorRef<CoordinatorCommand> ear = kit.spawn(ear());
    private final List<ActorRef<WorkerCommand>> workers = new ArrayList<>();
    private ActorRef<FeederCommand> feeder;
    private ModelOutline outline;

    @BeforeEach
    void start() throws IOException {
        Examples.writeModel(directory);
        feedBy(WorkerTeamTest::share);
        join(0, 1);
        workers.get(0).tell(new WorkerCommand.DescribeModel(1, runConf(), ear));
        outline = heard(ModelDescribed.class).outline();
    }

    @AfterEach
    void stop() {
        kit.shutdownTestKit();
    }

    @Test
    void twoRanksDoWhatOneDoes() {
        List<StepReport> alone = run(1, 1, 4);
        abandon(2, 1);
        join(1, 1);
        List<StepReport> together = run(2, 2, 4);
        assertThat(together).hasSize(8);
        for (StepReport report : together) {
            StepReport expected = alone.get((int) report.getStep() - 1);
            assertThat(report.getLossNats()).isCloseTo(expected.getLossNats(), within(1e-5));
            assertThat(report.getGradNorm()).isCloseTo(expected.getGradNorm(), within(1e-4));
            assertThat(report.getTrainedTokens()).isEqualTo(expected.getTrainedTokens());
            assertThat(report.getTokens()).as("a rank's own").isEqualTo(3);
            assertThat(report.getSamplesCount()).isEqualTo(1);
        }
    }

    @Test
    void aRankWithoutRowsTakesPart() {
        feedBy((request, step) -> request.rank() == 0
                ? Examples.batch(request.feed(), step, step == 3)
                : Examples.empty(request.feed(), step, step == 3));
        List<StepReport> alone = run(1, 1, 3);
        abandon(2, 1);
        join(1, 1);
        List<StepReport> together = run(2, 2, 3);
        for (StepReport report : together) {
            assertThat(report.getLossNats())
                    .isCloseTo(alone.get((int) report.getStep() - 1).getLossNats(), within(1e-5));
        }
        workers.forEach(worker -> worker.tell(new WorkerCommand.Evaluate(2, 3)));
        List<Evaluated> evaluated = heard(Evaluated.class, 2);
        assertThat(evaluated).extracting(Evaluated::rank).containsExactlyInAnyOrder(0, 1);
        for (Evaluated each : evaluated) {
            assertThat(each.report().getExamples()).isEqualTo(6);
            assertThat(each.report().getTokens()).isEqualTo(18);
            assertThat(each.report().getTrainedTokens()).isEqualTo(12);
            assertThat(each.report().getLossNats())
                    .isEqualTo(evaluated.get(0).report().getLossNats());
        }
    }

    @Test
    void ranksThatAreToldToStopAtDifferentTimesEndAfterTheSameStep() {
        join(1, 1);
        take(1, 2, Optional.empty());
        workers.forEach(worker -> worker.tell(new WorkerCommand.RunSteps(1, 0, FAR)));
        heard(StepDone.class, 6);
        workers.get(1).tell(new WorkerCommand.StopSpan(1)); // the other never hears of it
        List<SpanDone> done = Stream.generate(() -> coordinator.receiveMessage(PATIENCE))
                .filter(SpanDone.class::isInstance)
                .map(SpanDone.class::cast)
                .limit(2)
                .toList();
        assertThat(done).extracting(SpanDone::rank).containsExactlyInAnyOrder(0, 1);
        assertThat(done.get(0).step()).isEqualTo(done.get(1).step()).isGreaterThanOrEqualTo(3);
    }

    @Test
    void eachRankHoldsItsPart() {
        long whole = take(1, 1, Optional.empty()).get(0).holding().getParameterBytes();
        abandon(2, 1);
        join(1, 1);
        List<ShardReady> ready = take(2, 2, Optional.empty());
        assertThat(ready).extracting(shard -> shard.holding().getRank()).containsExactly(0, 1);
        assertThat(ready)
                .allSatisfy(
                        shard -> assertThat(shard.holding().getParameterBytes()).isEqualTo(whole / 2));
    }

    @Test
    void aTeamThatIsAbandonedInTheMiddleGoesOnFromItsCheckpointInAnotherGeneration() throws IOException {
        join(1, 1);
        List<StepReport> undisturbed = run(1, 2, 6);
        abandon(2, 2);
        run(2, 2, 3);
        Path checkpoint = write(2, 3);

        workers.forEach(worker -> worker.tell(new WorkerCommand.RunSteps(2, 3, FAR)));
        heard(StepDone.class, 4); // and in the middle of the next
        abandonAll(3);
        List<Abandoned> abandoned = Stream.generate(() -> coordinator.receiveMessage(PATIENCE))
                .filter(Abandoned.class::isInstance)
                .map(Abandoned.class::cast)
                .limit(2)
                .toList();
        assertThat(abandoned).extracting(Abandoned::worker).containsExactlyInAnyOrder("here/0", "here/1");

        assertThat(take(3, 2, Optional.of(checkpoint.toString())))
                .extracting(ShardReady::step)
                .containsExactly(3L, 3L);
        workers.forEach(worker -> worker.tell(new WorkerCommand.RunSteps(3, 3, 6)));
        List<StepReport> later = reports(2);
        assertThat(later).hasSize(6);
        for (StepReport report : later) {
            assertThat(report.getLossNats())
                    .isEqualTo(undisturbed.stream()
                            .filter(before -> before.getStep() == report.getStep())
                            .findFirst()
                            .orElseThrow()
                            .getLossNats());
        }
    }

    @Test
    void whereOneRankFailsTheOthersSayThatAPeerIsGoneAndGoOnWithAnother() {
        feedBy((request, step) -> request.rank() == 1 && step == 3
                ? share(request, 7) // not the batch of this step
                : share(request, step));
        join(1, 1);
        take(1, 2, Optional.empty());
        workers.forEach(worker -> worker.tell(new WorkerCommand.RunSteps(1, 0, FAR)));
        heard(StepDone.class, 4);
        List<WorkerFailed> failures = heard(WorkerFailed.class, 2).stream()
                .sorted(Comparator.comparing(WorkerFailed::rank))
                .toList();
        assertThat(failures).extracting(WorkerFailed::rank).containsExactly(0, 1);
        assertThat(failures)
                .extracting(failed -> failed.fault().code())
                .containsExactly(FaultCode.PEER_LOST, FaultCode.INTERNAL);
        coordinator.expectTerminated(workers.remove(1), PATIENCE);

        feedBy(WorkerTeamTest::share);
        abandon(2, 1);
        join(1, 2); // the process in its place
        assertThat(run(2, 2, 2)).hasSize(4);
    }

    @Test
    void aWorkerThatIsDismissedInTheMiddleEndsAtOnce() {
        join(1, 1);
        take(1, 2, Optional.empty());
        workers.get(0).tell(new WorkerCommand.RunSteps(1, 0, FAR)); // and waits for the other
        coordinator.expectNoMessage(Duration.ofMillis(200));
        workers.get(0).tell(new WorkerCommand.Dismiss());
        coordinator.expectTerminated(workers.get(0), Duration.ofSeconds(10));
    }

    @Test
    void aRankThatWaitsForOthersToComeCanBeAbandoned() {
        workers.get(0).tell(takeShard(1, 0, 2, Optional.empty())); // rank 1 never comes
        coordinator.expectNoMessage(Duration.ofMillis(300));
        abandon(2, 1);
        assertThat(run(2, 1, 1)).hasSize(1);
    }

    @Test
    void ranksOnDevicesJoinTheirGroupByTheKeyThatRankZeroMakes() {
        PlayedLink link = linked();
        tellToTake(2, 2, Optional.empty());
        CoordinatorCommand.GroupKeyMade made = heard(CoordinatorCommand.GroupKeyMade.class);
        assertThat(made.generation()).isEqualTo(2);
        workers.get(1).tell(new WorkerCommand.JoinGroup(1, PlayedLink.key(9))); // of a generation that is over
        coordinator.expectNoMessage(Duration.ofMillis(200));
        assertThat(link.used()).containsExactly(made.key());
        workers.get(1).tell(new WorkerCommand.JoinGroup(2, made.key()));
        assertThat(heard(ShardReady.class, 2)).extracting(ShardReady::rank).containsExactlyInAnyOrder(0, 1);
        assertThat(link.used()).containsExactly(made.key(), made.key());
    }

    @Test
    void aRankThatWaitsForTheKeyOfItsGroupCanBeAbandoned() {
        linked();
        tellToTake(2, 2, Optional.empty());
        heard(CoordinatorCommand.GroupKeyMade.class);
        abandon(3, 2);
        tellToTake(3, 2, Optional.empty());
        WorkerCommand invitation = new WorkerCommand.JoinGroup(
                3, heard(CoordinatorCommand.GroupKeyMade.class).key());
        workers.get(1).tell(invitation);
        assertThat(heard(ShardReady.class, 2))
                .allMatch(ready -> ready.holding().getLeaveSeconds() > 0)
                .allMatch(ready -> ready.holding().getJoinSeconds() > 0);
    }

    /** Two workers, whose devices speak to each other as the link has it, in the place of those that were there. */
    private PlayedLink linked() {
        workers.remove(0).tell(new WorkerCommand.Dismiss());
        PlayedLink link = new PlayedLink();
        for (int slot = 0; slot < 2; slot++) {
            WorkerPlace place = new WorkerPlace("here/" + slot, 2, "127.0.0.1");
            workers.add(kit.spawn(WorkerActor.create(
                    place, ear, LocalComponents.none(), device -> Optional.of(link), Optional.empty())));
            heard(WorkerJoined.class);
        }
        return link;
    }

    /** Steps 1 to {@code until} in a new generation, as all ranks report them. */
    private List<StepReport> run(long generation, int worldSize, long until) {
        take(generation, worldSize, Optional.empty());
        workers.forEach(worker -> worker.tell(new WorkerCommand.RunSteps(generation, 0, until)));
        return reports(worldSize);
    }

    /** Of a span, until all ranks have done it. */
    private List<StepReport> reports(int worldSize) {
        List<StepReport> reports = new ArrayList<>();
        int spansDone = 0;
        while (spansDone < worldSize) {
            CoordinatorCommand message = coordinator.receiveMessage(PATIENCE);
            if (message instanceof StepDone done) {
                reports.add(done.report());
            } else {
                assertThat(message).isInstanceOf(SpanDone.class);
                spansDone++;
            }
        }
        return reports;
    }

    private List<ShardReady> take(long generation, int worldSize, Optional<String> checkpoint) {
        tellToTake(generation, worldSize, checkpoint);
        return heard(ShardReady.class, worldSize).stream()
                .sorted(Comparator.comparing(ShardReady::rank))
                .toList();
    }

    private void tellToTake(long generation, int worldSize, Optional<String> checkpoint) {
        IntStream.range(0, worldSize)
                .forEach(rank -> workers.get(rank).tell(takeShard(generation, rank, worldSize, checkpoint)));
    }

    private WorkerCommand.TakeShard takeShard(long generation, int rank, int worldSize, Optional<String> checkpoint) {
        return new WorkerCommand.TakeShard(
                generation,
                rank,
                Plans.fullShard(outline, worldSize),
                runConf(),
                checkpoint,
                100,
                rendezvous(generation).toString(),
                feeder,
                ear);
    }

    private Path rendezvous(long generation) {
        try {
            return Files.createDirectories(directory.resolve("rendezvous/" + generation));
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private Path write(long generation, long step) throws IOException {
        Path checkpoint = Files.createDirectory(directory.resolve("step-" + step));
        workers.forEach(worker -> worker.tell(new WorkerCommand.WriteShard(generation, step, checkpoint.toString())));
        CheckpointManifest.Builder manifest =
                CheckpointManifest.newBuilder().setFormatVersion(ManifestFile.FORMAT_VERSION);
        heard(ShardWritten.class, workers.size()).stream()
                .sorted(Comparator.comparing(ShardWritten::rank))
                .forEach(written -> manifest.addFiles(written.file()));
        Files.write(checkpoint.resolve(ManifestFile.NAME), manifest.build().toByteArray());
        return checkpoint;
    }

    private void abandon(long generation, int count) {
        abandonAll(generation);
        heard(Abandoned.class, count);
    }

    private void abandonAll(long generation) {
        workers.forEach(worker -> worker.tell(new WorkerCommand.Abandon(generation)));
    }

    private void join(int slot, int incarnation) {
        WorkerPlace place = new WorkerPlace("here/" + slot, incarnation, "127.0.0.1");
        workers.add(kit.spawn(WorkerActor.create(place, ear, LocalComponents.none())));
        assertThat(heard(WorkerJoined.class).worker()).isEqualTo("here/" + slot);
    }

    /** Rank 0 of 1 has two sequences, each of 2 has one of them. */
    private static StepBatch share(FeederCommand.OpenFeed request, long step) {
        return request.worldSize() == 1
                ? Examples.batch(request.feed(), step, false)
                : Examples.half(request.feed(), step, false, request.rank());
    }

    /** A feeder that goes on for ever, but for evaluations of three batches. */
    private void feedBy(BiFunction<FeederCommand.OpenFeed, Long, StepBatch> batches) {
        feeder = kit.spawn(Behaviors.<FeederCommand>receive((context, message) -> {
            if (message instanceof FeederCommand.OpenFeed request) {
                long until = request.feed() == Feed.EVALUATION ? 3 : Long.MAX_VALUE;
                Source<StepBatch, NotUsed> source = Source.fromIterator(
                                () -> LongStream.rangeClosed(request.afterStep() + 1, until)
                                        .iterator())
                        .map(step -> batches.apply(request, step));
                request.consumer()
                        .tell(new WorkerCommand.FeedOpened(
                                request.generation(),
                                request.feed(),
                                request.number(),
                                Examples.stream(source, context.getSystem())));
            }
            return Behaviors.same();
        }));
    }

    private Behavior<CoordinatorCommand> ear() {
        return Behaviors.receiveMessage(message -> {
            if (!(message instanceof StillWorking)) {
                coordinator.ref().tell(message);
            }
            return Behaviors.same();
        });
    }

    private String runConf() {
        return Examples.runConf(directory, "fp32", "20 seconds", "");
    }

    private <M extends CoordinatorCommand> M heard(Class<M> type) {
        return coordinator.expectMessageClass(type, PATIENCE);
    }

    private <M extends CoordinatorCommand> List<M> heard(Class<M> type, int count) {
        return IntStream.range(0, count).mapToObj(i -> heard(type)).toList();
    }
}
