// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.message.ReportPieces;
import org.chorale.proto.wire.EvaluationReport;
import org.chorale.proto.wire.RankHolding;
import org.chorale.proto.wire.RunStarted;
import org.chorale.proto.wire.ShardFile;
import org.chorale.proto.wire.StepReport;
import org.junit.jupiter.api.Test;

/** How several workers gather, and how what each of them tells becomes what the run did. */
class RunPlanTeamTest extends PlannedTeam {
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
        gather();
        describeAll();
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
        gatherOnOneNode(2);
        hear(new RunSignal.GenerationClaimed(generation, Optional.empty(), false));
        hear(new RunSignal.ModelDescribed(generation, Runs.MODEL));
        hear(new RunSignal.DataDescribed(generation, 0, new DataFacts(10, 5, 0, 7, 100, "abc")));
        readyAll(2);
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
        gatherOnOneNode(4);
        describeAll();
        readyAll(4);
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

    private static StepReport manySamples(long step) {
        return Runs.step(step, false).toBuilder()
                .clearSamples()
                .addAllSamples(LongStream.range(0, 3L * ReportPieces.PIECE_SAMPLES)
                        .boxed()
                        .toList())
                .build();
    }
}
