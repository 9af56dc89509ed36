// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.message.ReportPieces;
import org.chorale.proto.message.WorkerCommand.Abandon;
import org.chorale.proto.message.WorkerCommand.RunSteps;
import org.chorale.proto.message.WorkerCommand.StopSpan;
import org.chorale.proto.wire.EvaluationReport;
import org.chorale.proto.wire.RankHolding;
import org.chorale.proto.wire.RecoveryBegan;
import org.chorale.proto.wire.RunEnded.Outcome;
import org.chorale.proto.wire.RunStarted;
import org.chorale.proto.wire.ShardFile;
import org.chorale.proto.wire.StepReport;
import org.junit.jupiter.api.Test;

/** Three workers on two nodes, and what becomes of their run when one of them is lost. */
class RunPlanRecoveryTest extends PlannedRun {
    private static final List<String> PLACES = List.of("a/2", "a/10", "b/0"); // by rank
    private static final Fault PEER = new Fault(FaultCode.PEER_LOST, "an all-gather was not finished");

    private long generation = GENERATION;

    @Test
    void ranksFollowNodesAndSlotsAsNumbersInWhateverOrderWorkersJoin() {
        gather();
        assertThat(effects).hasSize(1);
        Team team = ((Effect.ClaimGeneration) effects.get(0)).team();
        assertThat(team.ids()).extracting(WorkerId::place).isEqualTo(PLACES);
        assertThat(team.described()).contains("rank 1: a/10 (host, cpu)");
    }

    @Test
    void aRunThatGathersSaysHowManyAreMissing() {
        state = RunPlan.start(Runs.terms("parallel { workers = 3, feeders = 2 }"));
        hear(joined("a/2", 1));
        assertThat(state.awaited()).isEqualTo("2 of 3 workers to join and 2 of 2 feeders to join");
        Effect.Announce told = (Effect.Announce) effects.get(0);
        assertThat(told.event().getAwaited().getWorkers()).isEqualTo(1);
        assertThat(told.event().getAwaited().getWanted()).isEqualTo(3);
    }

    @Test
    void trainingBeginsOnceAllHaveLoadedAndSaysWhatEachHolds() {
        load(3, Optional.empty());
        ready(0, 0);
        ready(2, 0);
        assertThat(effects).isEmpty();
        assertThat(state.awaited()).isEqualTo("the model at step 0 to be loaded by rank 1, a/10 (host, cpu)");
        ready(1, 0);
        RunStarted started = ((Effect.Announce) effects.get(0)).event().getStarted();
        assertThat(started.getWorldSize()).isEqualTo(3);
        assertThat(started.getHoldingsList()).extracting(RankHolding::getWorker).isEqualTo(PLACES);
    }

    @Test
    void aStepIsRecordedOnceAllRanksHaveReportedItWithTheirSamplesInOrder() {
        train3();
        step(2, 1);
        step(2, 2);
        step(0, 1);
        assertThat(effects).isEmpty();
        assertThat(state.awaited()).isEqualTo("step 1 of the span up to step 2 from rank 1, a/10 (host, cpu)");
        step(1, 1);
        StepReport recorded = ((Effect.RecordStep) effects.get(0)).report();
        assertThat(recorded.getSamplesList()).containsExactly(10L, 11L, 12L);
        assertThat(recorded.getTokens()).isEqualTo(3);
        assertThat(recorded.getPaddingTokens()).isEqualTo(0 + 1 + 2);
        assertThat(recorded.getTokensCut()).isEqualTo(6);
        assertThat(state.step()).isEqualTo(1);
        assertThat(state.awaited()).contains("step 2").contains("ranks 0 and 1 (a/2, a/10)");
    }

    @Test
    void aReportThatComesInPiecesCountsOnceItIsWhole() {
        train3();
        step(0, 1);
        step(0, 2);
        step(2, 1);
        List<StepReport> pieces = ReportPieces.cut(manySamples(1));
        assertThat(pieces).hasSize(3);
        for (StepReport piece : pieces) {
            assertThat(effects).isEmpty();
            assertThat(state.awaited()).contains("step 1").contains("from rank 1");
            hear(new RunSignal.StepDone(generation, 1, piece));
        }
        StepReport recorded = ((Effect.RecordStep) effects.get(0)).report();
        assertThat(recorded.getSamplesCount()).isEqualTo(1 + manySamples(1).getSamplesCount() + 1);
        assertThat(recorded.getSamplesList().subList(1, recorded.getSamplesCount() - 1))
                .isEqualTo(manySamples(1).getSamplesList());
        assertThat(recorded.getSamplesToCome()).isZero();
        assertThat(state.step()).isEqualTo(1);
    }

    @Test
    void aReportOfWhichAPieceWasLostIsABug() {
        train3();
        List<StepReport> pieces = ReportPieces.cut(manySamples(1));
        hear(new RunSignal.StepDone(generation, 1, pieces.get(0)));
        hear(new RunSignal.StepDone(generation, 1, pieces.get(2)));
        assertThat(fault().code()).isEqualTo(FaultCode.INTERNAL);
        assertThat(fault().message()).contains("step 1 was reported by rank 1");
    }

    @Test
    void aPieceThatPromisesMoreThanIsHeldIsABug() {
        train3();
        StepReport piece = StepReport.newBuilder()
                .setStep(1)
                .setSamplesToCome(ReportPieces.MAX_SAMPLES + 1L)
                .build();
        hear(new RunSignal.StepDone(generation, 1, piece));
        assertThat(fault().code()).isEqualTo(FaultCode.INTERNAL);
    }

    private static StepReport manySamples(long step) {
        return Runs.step(step, false).toBuilder()
                .clearSamples()
                .addAllSamples(LongStream.range(0, 3L * ReportPieces.PIECE_SAMPLES)
                        .boxed()
                        .toList())
                .build();
    }

    @Test
    void ranksThatDisagreeOnWhetherAStepWasFiniteAreABug() {
        train3();
        hear(new RunSignal.StepDone(generation, 0, Runs.step(1, true)));
        step(1, 1);
        step(2, 1);
        assertThat(fault().code()).isEqualTo(FaultCode.INTERNAL);
    }

    @Test
    void anEvaluationIsAsFarAsAllRanksTogether() {
        state = RunPlan.start(Runs.terms("parallel.workers = 2"));
        IntStream.range(0, 2).forEach(slot -> hear(joined("n/" + slot, 1)));
        hear(new RunSignal.FeederJoined("n", 1));
        hear(new RunSignal.GenerationClaimed(generation, Optional.empty(), false));
        hear(new RunSignal.ModelDescribed(generation, Runs.MODEL));
        hear(new RunSignal.DataDescribed(generation, 0, new DataFacts(10, 5, 0, 7, 100, "abc")));
        IntStream.range(0, 2).forEach(rank -> ready(rank, 0));
        hear(new RunSignal.StillWorking(generation, 3));
        assertThat(effects).containsExactly(new Effect.WaitOn(6, 7));
        hear(new RunSignal.StillWorking(generation, 4));
        assertThat(effects).containsExactly(new Effect.WaitOn(7, 7));
        hear(new RunSignal.Evaluated(generation, 1, EvaluationReport.getDefaultInstance()));
        assertThat(state.awaited()).isEqualTo("the evaluation at step 0 from rank 0, n/0 (host, cpu)");
        hear(new RunSignal.Evaluated(generation, 0, EvaluationReport.getDefaultInstance()));
        assertThat(effects.get(0)).isInstanceOf(Effect.RecordEvaluation.class);
    }

    @Test
    void onlyTheFirstCopyOfTheModelIsWritten() {
        state = RunPlan.start(Runs.terms(
                "parallel { workers = 4, mode = hybrid, shard-size = 2 }", "run.steps = 1", "evaluation.every = 0"));
        load(4, Optional.empty());
        IntStream.range(0, 4).forEach(rank -> ready(rank, 0));
        IntStream.range(0, 4).forEach(rank -> step(rank, 1));
        IntStream.range(0, 4).forEach(rank -> hear(new RunSignal.SpanDone(generation, rank, 1)));
        Effect.WriteCheckpoint write = (Effect.WriteCheckpoint) effects.get(0);
        assertThat(write.workers()).extracting(WorkerId::place).containsExactly("n/0", "n/1");
        assertThat(write.bytes()).isEqualTo(100 + 101);
        written(1, 1);
        assertThat(effects).isEmpty();
        written(0, 1);
        Effect.Commit commit = (Effect.Commit) effects.get(0);
        assertThat(commit.files()).extracting(ShardFile::getRank).containsExactly(0, 1);
        assertThat(commit.worldSize()).isEqualTo(4);
    }

    @Test
    void aLostWorkerSendsEveryoneBackToTheLastCommit() {
        train3();
        spanOfAll(0, 2);
        commitAll(2);
        stepOfAll(3);
        hear(lost("a/10", 1));
        assertThat(effects.get(0))
                .isEqualTo(new Effect.Order(
                        List.of(new WorkerId("a/2", 1), new WorkerId("b/0", 1)), new Abandon(generation + 1)));
        RecoveryBegan recovery = ((Effect.Announce) effects.get(1)).event().getRecovery();
        assertThat(recovery.getWorker()).isEqualTo("a/10");
        assertThat(recovery.getReason()).isEqualTo("signal 9");
        assertThat(recovery.getStep()).isEqualTo(3);
        assertThat(recovery.getFromStep()).isEqualTo(2);
        assertThat(recovery.getRecoveries()).isEqualTo(1);
        assertThat(state.awaited()).isEqualTo("1 of 3 workers to join and a/2, b/0 to leave the generation before");
        hear(joined("a/10", 2));
        abandoned("a/2");
        assertThat(effects).noneMatch(Effect.ClaimGeneration.class::isInstance);
        abandoned("b/0");
        assertThat(effects).hasOnlyElementsOfType(Effect.ClaimGeneration.class);
        generation += 5; // others have claimed some
        hear(new RunSignal.GenerationClaimed(generation, Optional.of(checkpoint(2)), false));
        assertThat(effects).contains(new Effect.OpenMetrics(Optional.of(2L)));
        assertThat(effects).noneMatch(Effect.DescribeModel.class::isInstance);
        IntStream.range(0, 3).forEach(rank -> ready(rank, 2));
        assertThat(orders()).containsExactly(new RunSteps(generation, 2, 4));
    }

    @Test
    void anotherProcessInThePlaceOfOneSaysThatItWasLost() {
        train3();
        hear(joined("b/0", 2));
        assertThat(orders()).containsExactly(new Abandon(generation + 1));
        abandoned("a/2");
        abandoned("a/10");
        assertThat(effects).hasOnlyElementsOfType(Effect.ClaimGeneration.class);
        hear(lost("b/0", 1)); // its node says so now
        assertThat(effects).isEmpty();
    }

    @Test
    void whoeverIsLostWhileAGenerationIsClaimedIsMissedThen() {
        train3();
        hear(joined("b/0", 2));
        abandoned("a/2");
        abandoned("a/10");
        hear(lost("a/2", 1));
        assertThat(state).isInstanceOf(RunState.Claiming.class);
        hear(new RunSignal.GenerationClaimed(generation + 1, Optional.empty(), false));
        assertThat(state.awaited()).isEqualTo("1 of 3 workers to join");
        hear(joined("a/2", 2));
        assertThat(effects).hasOnlyElementsOfType(Effect.ClaimGeneration.class);
    }

    @Test
    void aRankThatMissesAPeerIsBelievedAfterAMomentEvenIfNobodyDied() {
        train3();
        hear(new RunSignal.WorkerFailed(generation, 0, PEER));
        assertThat(effects).containsExactly(new Effect.AwaitMore());
        hear(new RunSignal.WorkerFailed(generation, 2, PEER));
        step(1, 1);
        assertThat(effects).isEmpty();
        hear(new RunSignal.NothingMore());
        assertThat(((Effect.Order) effects.get(0)).workers()).hasSize(3);
        RecoveryBegan recovery = ((Effect.Announce) effects.get(1)).event().getRecovery();
        assertThat(recovery.getReason()).isEqualTo("rank 0, a/2 (host, cpu): an all-gather was not finished");
    }

    @Test
    void whatAPeersNodeOrThePeerSaysInThatMomentCountsMore() {
        train3();
        hear(new RunSignal.WorkerFailed(generation, 0, PEER));
        hear(lost("b/0", 1));
        assertThat(((Effect.Announce) effects.get(1)).event().getRecovery().getWorker())
                .isEqualTo("b/0");
        train3();
        hear(new RunSignal.WorkerFailed(generation, 0, PEER));
        hear(new RunSignal.WorkerFailed(generation, 1, new Fault(FaultCode.OUT_OF_MEMORY, "2 GB short")));
        assertThat(fault()).isEqualTo(new Fault(FaultCode.OUT_OF_MEMORY, "rank 1, a/10 (host, cpu): 2 GB short"));
    }

    @Test
    void recoveriesThatBringTheRunNoFurtherEndIt() {
        state = RunPlan.start(Runs.terms("parallel { workers = 3, recoveries = 2 }", "checkpoint.every = 2"));
        loaded(3);
        for (int incarnation = 1; incarnation <= 2; incarnation++) {
            stepOfAll(1);
            hear(lost("a/2", incarnation));
            assertThat(state).isInstanceOf(RunState.Gathering.class);
            comeBack("a/2", incarnation + 1);
        }
        hear(lost("a/2", 3));
        assertThat(fault().code()).isEqualTo(FaultCode.WORKER_LOST);
        assertThat(fault().message())
                .isEqualTo("the worker a/2 was lost: signal 9;"
                        + " 2 recoveries in a row brought the run no further (parallel.recoveries)");
    }

    @Test
    void aRecoveryAfterProgressIsTheFirstOfItsRow() {
        state = RunPlan.start(Runs.terms("parallel { workers = 3, recoveries = 1 }", "checkpoint.every = 2"));
        loaded(3);
        for (int incarnation = 1; incarnation <= 2; incarnation++) {
            for (long step = 1; step <= incarnation; step++) {
                stepOfAll(step);
            }
            hear(lost("a/2", incarnation));
            assertThat(state).as("lost for the %d. time", incarnation).isInstanceOf(RunState.Gathering.class);
            comeBack("a/2", incarnation + 1);
        }
        stepOfAll(1);
        hear(lost("a/2", 3));
        assertThat(state).isInstanceOf(RunState.Ended.class);
    }

    @Test
    void workersThatEndAsSoonAsTheyHaveJoinedEndTheRunAfterAll() {
        state = RunPlan.start(Runs.terms("parallel { workers = 2, recoveries = 3 }"));
        int incarnation = 0;
        while (!(state instanceof RunState.Ended)) {
            hear(joined("a/0", ++incarnation));
            hear(lost("a/0", incarnation));
            assertThat(incarnation).isLessThan(10);
        }
        assertThat(incarnation)
                .as("one for the first time, and one per recovery and beyond")
                .isEqualTo(5);
    }

    @Test
    void aStopOfARunThatLostAWorkerEndsItAtTheLastCommit() {
        train3();
        spanOfAll(0, 2);
        commitAll(2);
        stepOfAll(3);
        hear(new RunSignal.StopRequested("Ctrl-C"));
        assertThat(orders()).containsExactly(new StopSpan(generation));
        hear(lost("a/2", 1));
        assertThat(end().outcome()).isEqualTo(Outcome.STOPPED);
        assertThat(end().step()).isEqualTo(2);
    }

    @Test
    void aStopInARecoveryEndsItAtTheLastCommit() {
        train3();
        spanOfAll(0, 2);
        commitAll(2);
        stepOfAll(3);
        hear(lost("a/2", 1));
        hear(new RunSignal.StopRequested("Ctrl-C"));
        assertThat(end().outcome()).isEqualTo(Outcome.STOPPED);
        assertThat(end().step()).isEqualTo(2);
    }

    @Test
    void aPlaceInWhichNoWorkerCanLiveEndsTheRun() {
        Fault thrice = new Fault(FaultCode.WORKER_LOST, "a/2 ended three times before it joined");
        gather();
        hear(new RunSignal.WorkerUnavailable("a/2", thrice));
        assertThat(fault()).isEqualTo(thrice);
    }

    @Test
    void inAClusterAnotherPlaceIsAskedForInsteadOfOneInWhichNoWorkerCanLive() {
        Fault thrice = new Fault(FaultCode.WORKER_LOST, "a/2 ended three times before it joined");
        state = RunPlan.startInCluster(Runs.terms("parallel.workers = 2"));
        hear(new RunSignal.FeederJoined("a", 1));
        hear(joined("b/0", 1));
        hear(new RunSignal.WorkerUnavailable("a/2", thrice));
        assertThat(effects.get(0)).isEqualTo(new Effect.ReplacePlace("a/2", thrice.message()));
        assertThat(state.awaited())
                .isEqualTo("1 of 2 workers to join; a/2 was given up: a/2 ended three times before it joined");
        assertThat(((Effect.Announce) effects.get(1)).event().getAwaited().getAwaited())
                .isEqualTo(state.awaited());
        RunState before = state;
        hear(new RunSignal.WorkerUnavailable("a/2", thrice)); // told twice
        hear(joined("a/2", 4)); // on its way when the place was given up
        assertThat(state).isEqualTo(before);
        hear(joined("c/0", 1));
        assertThat(effects).hasOnlyElementsOfType(Effect.ClaimGeneration.class);
    }

    @Test
    void aPlaceThatIsGivenUpWhileItsWorkerHasARankIsALossLikeAnyOther() {
        state = RunPlan.startInCluster(Runs.terms("parallel.workers = 3", "checkpoint.every = 2", "run.steps = 9"));
        loaded(3);
        hear(new RunSignal.WorkerUnavailable("a/2", new Fault(FaultCode.WORKER_LOST, "it ended three times")));
        assertThat(effects.get(0)).isInstanceOf(Effect.ReplacePlace.class);
        assertThat(orders()).containsExactly(new Abandon(generation + 1));
        assertThat(state.awaited()).contains("a/2 was given up").contains("to leave the generation before");
    }

    @Test
    void aLostFeederIsReplacedByOneThatLooksForItself() {
        train3();
        hear(new RunSignal.FeederLost("a", 1, "its node left"));
        assertThat(state.awaited()).startsWith("a feeder to join");
        PLACES.forEach(this::abandoned);
        hear(new RunSignal.FeederJoined("b", 1));
        hear(new RunSignal.GenerationClaimed(++generation, Optional.empty(), false));
        assertThat(effects).containsExactly(new Effect.DescribeData(generation, 0, "b"));
        hear(new RunSignal.DataDescribed(generation, 0, Runs.DATA));
        assertThat(state).isInstanceOf(RunState.Loading.class);
    }

    @Test
    void lateNewsOfAFeederThatWasReplacedInItsPlaceChangesNothing() {
        train3();
        hear(new RunSignal.FeederJoined("a", 2)); // says by being there that the first is gone
        assertThat(((Effect.Announce) effects.get(1)).event().getRecovery().getReason())
                .isEqualTo("another came in its place");
        PLACES.forEach(this::abandoned);
        hear(new RunSignal.GenerationClaimed(++generation, Optional.empty(), false));
        RunState before = state;
        for (RunSignal late : List.of(
                new RunSignal.FeederLost("a", 1, "its actor has stopped"), new RunSignal.FeederJoined("a", 1))) {
            hear(late);
            assertThat(effects).as(late.toString()).isEmpty();
            assertThat(state).as(late.toString()).isEqualTo(before);
        }
        hear(new RunSignal.FeederLost("a", 2, "its actor has stopped"));
        assertThat(state).isInstanceOf(RunState.Gathering.class);
    }

    @Test
    void theFirstFeederIndexesForTheOthersAndAllMustSeeTheSame() {
        state = RunPlan.start(Runs.terms("parallel { workers = 2, feeders = 2 }"));
        List.of("a/0", "b/0").forEach(place -> hear(joined(place, 1)));
        List.of("a", "b").forEach(place -> hear(new RunSignal.FeederJoined(place, 1)));
        hear(new RunSignal.GenerationClaimed(generation, Optional.empty(), false));
        assertThat(effects)
                .contains(new Effect.DescribeData(generation, 0, "a"))
                .hasSize(2);
        hear(new RunSignal.DataDescribed(generation, 0, Runs.DATA));
        assertThat(effects).containsExactly(new Effect.DescribeData(generation, 1, "b"));
        hear(new RunSignal.ModelDescribed(generation, Runs.MODEL));
        hear(new RunSignal.DataDescribed(generation, 1, new DataFacts(10, 5, 0, 4, 100, "other")));
        assertThat(fault().code()).isEqualTo(FaultCode.DATA_CHANGED);
        assertThat(fault().message()).contains("a: 10 examples, SHA-256 abc").contains("b: 10 examples, SHA-256 other");
    }

    @Test
    void aRankIsFedByAFeederOfItsOwnNodeWhereThereIsOne() {
        List<Worker> workers = List.of(worker("a/0", 1), worker("a/1", 1), worker("b/0", 1), worker("c/0", 1));
        Team team = new Team(workers, List.of("a/feeder-0", "c/feeder-0", "c/feeder-1"));
        assertThat(IntStream.range(0, 4).mapToObj(team::feederOf))
                .containsExactly("a/feeder-0", "a/feeder-0", "c/feeder-1", "c/feeder-1");
    }

    @Test
    void lateNewsOfALostWorkerAndOfItsGenerationChangesNothing() {
        train3();
        hear(lost("b/0", 1));
        RunState before = state;
        List<RunSignal> late = List.of(
                joined("b/0", 1),
                lost("b/0", 1),
                joined("a/2", 1),
                new RunSignal.Abandoned(generation, new WorkerId("a/2", 1)),
                new RunSignal.Abandoned(generation + 1, new WorkerId("b/0", 1)),
                new RunSignal.StepDone(generation, 0, Runs.step(1, false)),
                new RunSignal.WorkerFailed(generation, 2, PEER));
        for (RunSignal signal : late) {
            hear(signal);
            assertThat(effects).as(signal.toString()).isEmpty();
            assertThat(state).isEqualTo(before);
        }
    }

    private void gather() {
        state = RunPlan.start(Runs.terms("parallel.workers = 3", "checkpoint.every = 2", "run.steps = 9"));
        hear(new RunSignal.FeederJoined("a", 1));
        List.of("b/0", "a/10", "a/2").forEach(place -> hear(joined(place, 1)));
    }

    private void train3() {
        gather();
        generation = GENERATION;
        describeAll(Optional.empty());
        IntStream.range(0, 3).forEach(rank -> ready(rank, 0));
    }

    /** Workers on one node, up to the order to load. */
    private void load(int workers, Optional<ResumePoint> resume) {
        if (workers == 3) {
            gather();
        } else {
            IntStream.range(0, workers).forEach(slot -> hear(joined("n/" + slot, 1)));
            hear(new RunSignal.FeederJoined("n", 1));
        }
        describeAll(resume);
    }

    /** Three workers, under the terms that were set before, up to the first span. */
    private void loaded(int workers) {
        PLACES.forEach(place -> hear(joined(place, 1)));
        hear(new RunSignal.FeederJoined("a", 1));
        describeAll(Optional.empty());
        IntStream.range(0, workers).forEach(rank -> ready(rank, 0));
    }

    private void describeAll(Optional<ResumePoint> resume) {
        hear(new RunSignal.GenerationClaimed(generation, resume, false));
        hear(new RunSignal.ModelDescribed(generation, Runs.MODEL));
        hear(new RunSignal.DataDescribed(generation, 0, new DataFacts(10, 5, 0, 0, 100, "abc")));
    }

    /** Another process in a place, and the next generation up to its first span, from the start. */
    private void comeBack(String place, int incarnation) {
        generation++;
        PLACES.stream()
                .filter(other -> !other.equals(place))
                .forEach(other -> hear(new RunSignal.Abandoned(generation, new WorkerId(other, 1))));
        hear(joined(place, incarnation));
        hear(new RunSignal.GenerationClaimed(generation, Optional.empty(), false));
        IntStream.range(0, 3).forEach(rank -> ready(rank, 0));
        assertThat(state).isInstanceOf(RunState.Training.class);
    }

    private void ready(int rank, long step) {
        hear(new RunSignal.ShardReady(generation, rank, step, 100 + rank, HOLDING));
    }

    /** A report of a rank that had one sample, of one token. */
    private void step(int rank, long step) {
        StepReport report = Runs.step(step, false).toBuilder()
                .clearSamples()
                .addSamples(10 * step + rank)
                .setTokens(1)
                .setPaddingTokens(rank)
                .setTokensCut(2)
                .build();
        hear(new RunSignal.StepDone(generation, rank, report));
    }

    private void stepOfAll(long step) {
        IntStream.range(0, 3).forEach(rank -> step(rank, step));
    }

    private void spanOfAll(long from, long until) {
        for (long step = from + 1; step <= until; step++) {
            stepOfAll(step);
        }
        IntStream.range(0, 3).forEach(rank -> hear(new RunSignal.SpanDone(generation, rank, until)));
    }

    private void commitAll(long step) {
        IntStream.range(0, 3).forEach(rank -> written(rank, step));
        hear(new RunSignal.Committed(generation, step));
    }

    private void written(int rank, long step) {
        ShardFile file = ShardFile.newBuilder().setRank(rank).build();
        hear(new RunSignal.ShardWritten(generation, rank, step, file));
    }

    private void abandoned(String place) {
        hear(new RunSignal.Abandoned(generation + 1, new WorkerId(place, 1)));
    }

    private static ResumePoint checkpoint(long step) {
        return new ResumePoint("step", step, 0, Standing.NONE, Optional.of("abc"), Optional.of("cfg"));
    }

    private static Worker worker(String place, int incarnation) {
        return new Worker(new WorkerId(place, incarnation), "host", "cpu");
    }

    private static RunSignal joined(String place, int incarnation) {
        return new RunSignal.WorkerJoined(worker(place, incarnation));
    }

    private static RunSignal lost(String place, int incarnation) {
        return new RunSignal.WorkerLost(new WorkerId(place, incarnation), "signal 9");
    }
}
