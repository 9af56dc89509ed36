// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Optional;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.message.WorkerCommand.RunSteps;
import org.chorale.proto.wire.EvaluationReport;
import org.chorale.proto.wire.RunEnded.Outcome;
import org.junit.jupiter.api.Test;

class RunPlanEvaluationTest extends PlannedRun {
    @Test
    void theBestEvaluationSoFarGetsACheckpointOfItsOwn() {
        train("run.steps = 8", "evaluation.every = 2", "checkpoint.every = 0", "checkpoint.keep-best = true");
        span(0, 2);
        evaluated(2, 3.0);
        assertThat(recorded().getBest()).isTrue();
        assertThat(effects).contains(new Effect.WriteCheckpoint(GENERATION, 2, BYTES, IDS));
        committed(2);
        span(2, 4);
        evaluated(4, 3.5);
        assertThat(recorded().getBest()).isFalse();
        assertThat(orders()).containsExactly(new RunSteps(GENERATION, 4, 6));
        span(4, 6);
        evaluated(6, Double.NaN);
        assertThat(recorded().getBest()).isFalse();
        assertThat(orders()).containsExactly(new RunSteps(GENERATION, 6, 8));
        span(6, 8);
        evaluated(8, 2.9);
        Standing standing = committed(8);
        assertThat(standing.best().orElseThrow().getStep()).isEqualTo(8);
        assertThat(standing.at(8).orElseThrow().getLossNats()).isEqualTo(2.9);
        assertThat(standing.sinceBest()).isZero();
    }

    @Test
    void theUntrainedModelIsNeverTheBest() {
        state = RunPlan.start(Runs.terms("checkpoint.keep-best = true", "evaluation.every = 1"));
        load();
        hear(new RunSignal.ShardReady(GENERATION, 0, 0, BYTES, HOLDING));
        evaluated(0, 0.1);
        span(0, 1);
        evaluated(1, 5.0);
        assertThat(recorded().getBest()).isTrue();
    }

    @Test
    void exactMatchesAreComparedByTheirShare() {
        state = RunPlan.start(Runs.terms(
                "run.steps = 8", "evaluation { every = 2, metric = exact-match }", "checkpoint.keep-best = true"));
        load();
        hear(new RunSignal.ShardReady(GENERATION, 0, 0, BYTES, HOLDING));
        evaluated(EvaluationReport.newBuilder().setJudged(4));
        span(0, 2);
        evaluated(EvaluationReport.newBuilder()
                .setStep(2)
                .setExact(3)
                .setJudged(4)
                .setLossNats(9));
        assertThat(recorded().getBest()).isTrue();
        committed(2);
        span(2, 4);
        evaluated(EvaluationReport.newBuilder()
                .setStep(4)
                .setExact(2)
                .setJudged(4)
                .setLossNats(1));
        assertThat(recorded().getBest()).isFalse();
    }

    @Test
    void aMetricThatTheHeldOutExamplesCannotGiveIsRefusedAtTheFirstEvaluation() {
        state = RunPlan.start(Runs.terms("evaluation.metric = exact-match", "evaluation.patience = 1"));
        load();
        hear(new RunSignal.ShardReady(GENERATION, 0, 0, BYTES, HOLDING));
        hear(new RunSignal.Evaluated(
                GENERATION, 0, EvaluationReport.newBuilder().setLossNats(1).build()));
        assertThat(fault().code()).isEqualTo(FaultCode.CONFIG_INVALID);
        assertThat(fault().message())
                .contains("evaluation.metric = exact-match")
                .contains("must be loss");
    }

    @Test
    void keysThatNeedEvaluationsAreRefusedWithoutHeldOutExamples() {
        state = RunPlan.start(Runs.terms("checkpoint.keep-best = true", "evaluation.patience = 2"));
        describe();
        hear(new RunSignal.ModelDescribed(GENERATION, Runs.MODEL));
        hear(new RunSignal.DataDescribed(GENERATION, 0, new DataFacts(10, 5, 0, 0, 100, "abc")));
        assertThat(fault().code()).isEqualTo(FaultCode.CONFIG_INVALID);
        assertThat(fault().message())
                .contains("checkpoint.keep-best = true and evaluation.patience = 2")
                .contains("data.eval.path");
    }

    @Test
    void whenPatienceIsExhaustedTheModelIsCommittedAndExportedBeforeTheLastStep() {
        train("run.steps = 100", "evaluation { every = 2, patience = 2 }", "checkpoint.every = 0");
        worseAndWorse();
        assertThat(effects).contains(new Effect.WriteCheckpoint(GENERATION, 6, BYTES, IDS));
        committed(6);
        assertThat(effects).containsExactly(new Effect.Export(GENERATION, 6, WORKER.id()));
        hear(new RunSignal.ModelExported(GENERATION, 6));
        assertThat(end().outcome()).isEqualTo(Outcome.FINISHED);
        assertThat(end().message()).isEqualTo("2 evaluations in a row were not the best (evaluation.patience)");
    }

    @Test
    void aRunThatEndedEarlyIsFinishedWhenItIsStartedAgain() {
        EvaluationReport best =
                EvaluationReport.newBuilder().setStep(2).setLossNats(1).build();
        Standing standing = new Standing(Optional.empty(), Optional.of(best), 2);
        state = RunPlan.start(Runs.terms("run.steps = 100", "evaluation { every = 2, patience = 2 }"));
        resume(new ResumePoint("step-000006", 6, 0, standing, Optional.of("abc"), Optional.of("cfg")), true);
        assertThat(end().message()).isEqualTo("it ended early, at step 6");
        assertThat(end().outcome()).isEqualTo(Outcome.FINISHED);
    }

    @Test
    void theBestIsKnownAfterAResume() {
        EvaluationReport best =
                EvaluationReport.newBuilder().setStep(2).setLossNats(1).build();
        Standing standing = new Standing(Optional.of(best), Optional.of(best), 0);
        state = RunPlan.start(Runs.terms("evaluation { every = 2 }", "checkpoint.keep-best = true"));
        resume(new ResumePoint("step-000002", 2, 0, standing, Optional.of("abc"), Optional.of("cfg")), false);
        hear(new RunSignal.ShardReady(GENERATION, 0, 2, BYTES, HOLDING));
        span(2, 4);
        evaluated(4, 1.5);
        assertThat(recorded().getBest()).isFalse();
    }

    @Test
    void theBestModelIsVerifiedAndExportedWhereItIsNotTheLast() {
        train("run.steps = 6", "evaluation.every = 2", "checkpoint { keep-best = true, export = best, every = 0 }");
        worseAndWorse();
        committed(6);
        assertThat(effects).containsExactly(new Effect.VerifyCheckpoint(GENERATION, 2));
        assertThat(state.awaited()).contains("step 2, to be checked");
        hear(new RunSignal.CheckpointVerified(GENERATION, 2));
        assertThat(effects).containsExactly(new Effect.Export(GENERATION, 2, WORKER.id()));
        hear(new RunSignal.ModelExported(GENERATION, 2));
        assertThat(end().outcome()).isEqualTo(Outcome.FINISHED);
        assertThat(end().step()).isEqualTo(6);
        assertThat(end().message()).isEqualTo("all 6 steps are done; the model of step 2 is exported, the best");
    }

    @Test
    void whereNoEvaluationWasFiniteThereIsNoBestModelToExport() {
        train("checkpoint { keep-best = true, export = best }");
        span(0, 5);
        evaluated(5, Double.NaN);
        committed(5);
        assertThat(fault().code()).isEqualTo(FaultCode.NOT_FINITE);
        assertThat(fault().message()).contains("checkpoint.export = best");
    }
}
