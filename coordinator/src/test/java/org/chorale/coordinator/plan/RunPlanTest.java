// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Optional;
import java.util.stream.LongStream;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.message.WorkerCommand.Evaluate;
import org.chorale.proto.message.WorkerCommand.RunSteps;
import org.chorale.proto.message.WorkerCommand.StopSpan;
import org.chorale.proto.wire.RunEnded.Outcome;
import org.chorale.proto.wire.ShardFile;
import org.junit.jupiter.api.Test;

class RunPlanTest extends PlannedRun {
    @Test
    void onceWorkerAndFeederAreThereAGenerationIsClaimedAndBothAreAsked() {
        hear(new RunSignal.WorkerJoined(WORKER));
        assertThat(state.awaited()).isEqualTo("a feeder to join");
        hear(new RunSignal.FeederJoined("node", 1));
        assertThat(effects).containsExactly(new Effect.ClaimGeneration(TEAM));
        hear(new RunSignal.GenerationClaimed(GENERATION, Optional.empty(), false));
        assertThat(effects)
                .containsExactly(
                        new Effect.DescribeModel(GENERATION, WORKER.id()),
                        new Effect.DescribeData(GENERATION, 0, "node"));
    }

    @Test
    void aWorkerThatNobodyAskedForChangesNothing() {
        describe();
        hear(new RunSignal.WorkerJoined(new Worker(new WorkerId("node/1", 1), "host", "cpu")));
        assertThat(state).isInstanceOf(RunState.Describing.class);
        assertThat(effects).isEmpty();
    }

    @Test
    void theShardIsTakenOnceModelAndDataAreKnownInWhateverOrder() {
        describe();
        hear(new RunSignal.DataDescribed(GENERATION, 0, Runs.DATA));
        assertThat(state.awaited()).contains("outline of the model").contains("rank 0, node/0 (host, cpu)");
        assertThat(effects).isEmpty();
        hear(new RunSignal.ModelDescribed(GENERATION, Runs.MODEL));
        assertThat(effects)
                .containsExactly(
                        new Effect.RememberInputs("abc", "cfg"),
                        new Effect.OpenMetrics(Optional.empty()),
                        new Effect.TakeShard(GENERATION, TEAM, PLAN, Optional.empty(), 5));
    }

    @Test
    void theUntrainedModelIsMeasuredBeforeTheFirstStep() {
        load();
        hear(new RunSignal.ShardReady(GENERATION, 0, 0, BYTES, HOLDING));
        assertThat(effects.get(0)).isInstanceOf(Effect.Announce.class);
        assertThat(orders()).containsExactly(new Evaluate(GENERATION, 0));
        evaluated(0);
        assertThat(orders()).containsExactly(new RunSteps(GENERATION, 0, 5));
    }

    @Test
    void withoutHeldOutExamplesNothingIsEvaluated() {
        state = RunPlan.start(Runs.terms("evaluation.every = 2"));
        describe();
        hear(new RunSignal.ModelDescribed(GENERATION, Runs.MODEL));
        hear(new RunSignal.DataDescribed(GENERATION, 0, new DataFacts(10, 5, 0, 0, 100, "abc")));
        hear(new RunSignal.ShardReady(GENERATION, 0, 0, BYTES, HOLDING));
        assertThat(orders()).containsExactly(new RunSteps(GENERATION, 0, 5));
        span(0, 5);
        assertThat(effects).containsExactly(new Effect.WriteCheckpoint(GENERATION, 5, BYTES, IDS));
    }

    @Test
    void aSpanEndsAtTheNextCheckpointEvaluationOrEnd() {
        train("run.steps = 7", "checkpoint.every = 3", "evaluation.every = 2");
        assertThat(orders()).containsExactly(new RunSteps(GENERATION, 0, 2));
        span(0, 2);
        assertThat(orders()).containsExactly(new Evaluate(GENERATION, 2));
        evaluated(2);
        assertThat(orders()).containsExactly(new RunSteps(GENERATION, 2, 3));
        span(2, 3);
        assertThat(effects).containsExactly(new Effect.WriteCheckpoint(GENERATION, 3, BYTES, IDS));
        committed(3);
        assertThat(orders()).containsExactly(new RunSteps(GENERATION, 3, 4));
    }

    @Test
    void atTheEndTheModelIsMeasuredCommittedAndExported() {
        train();
        span(0, 5);
        assertThat(orders()).containsExactly(new Evaluate(GENERATION, 5));
        evaluated(5);
        assertThat(effects).contains(new Effect.WriteCheckpoint(GENERATION, 5, BYTES, IDS));
        committed(5);
        assertThat(effects).containsExactly(new Effect.Export(GENERATION, 5, WORKER.id()));
        hear(new RunSignal.ModelExported(GENERATION, 5));
        assertThat(end().outcome()).isEqualTo(Outcome.FINISHED);
    }

    @Test
    void theManifestIsWrittenWithWhatWasSkippedInARow() {
        train();
        LongStream.rangeClosed(1, 5)
                .forEach(step -> hear(new RunSignal.StepDone(GENERATION, 0, Runs.step(step, step >= 4))));
        hear(new RunSignal.SpanDone(GENERATION, 0, 5));
        evaluated(5);
        ShardFile file =
                ShardFile.newBuilder().setName("rank-00000.safetensors").build();
        hear(new RunSignal.ShardWritten(GENERATION, 0, 5, file));
        assertThat(effects).containsExactly(new Effect.Commit(GENERATION, 5, 2, standing(), 1, List.of(file)));
    }

    @Test
    void aResumedRunGoesOnFromItsCheckpointWithoutMeasuringItAgain() {
        resume(new ResumePoint("step-000002", 2, 1, Standing.NONE, Optional.of("abc"), Optional.of("cfg")), false);
        assertThat(effects)
                .contains(new Effect.OpenMetrics(Optional.of(2L)))
                .contains(new Effect.TakeShard(GENERATION, TEAM, PLAN, Optional.of("step-000002"), 5));
        hear(new RunSignal.ShardReady(GENERATION, 0, 2, BYTES, HOLDING));
        assertThat(orders()).containsExactly(new RunSteps(GENERATION, 2, 5));
    }

    @Test
    void skippedStepsInARowAreCountedAcrossAResume() {
        resume(new ResumePoint("step-000002", 2, 3, Standing.NONE, Optional.of("abc"), Optional.of("cfg")), false);
        hear(new RunSignal.ShardReady(GENERATION, 0, 2, BYTES, HOLDING));
        hear(new RunSignal.StepDone(GENERATION, 0, Runs.step(3, true)));
        assertThat(fault().code()).isEqualTo(FaultCode.NOT_FINITE);
    }

    @Test
    void aCompleteRunWithItsExportIsFinishedAtOnce() {
        resume(new ResumePoint("step-000005", 5, 0, Standing.NONE, Optional.of("abc"), Optional.of("cfg")), true);
        assertThat(end().outcome()).isEqualTo(Outcome.FINISHED);
        assertThat(effects).hasSize(1);
    }

    @Test
    void aCompleteRunWithoutItsExportWritesThatOnly() {
        resume(new ResumePoint("step-000005", 5, 0, Standing.NONE, Optional.of("abc"), Optional.of("cfg")), false);
        hear(new RunSignal.ShardReady(GENERATION, 0, 5, BYTES, HOLDING));
        assertThat(effects).last().isEqualTo(new Effect.Export(GENERATION, 5, WORKER.id()));
        hear(new RunSignal.ModelExported(GENERATION, 5));
        assertThat(end().outcome()).isEqualTo(Outcome.FINISHED);
    }

    @Test
    void changedDataIsNotTrainedOn() {
        resume(new ResumePoint("step-000002", 2, 0, Standing.NONE, Optional.of("other"), Optional.of("cfg")), false);
        assertThat(fault().code()).isEqualTo(FaultCode.DATA_CHANGED);
        assertThat(fault().message()).contains("data or tokenizer");
    }

    @Test
    void aChangedModelConfigurationIsNotTrainedOn() {
        resume(new ResumePoint("step-000002", 2, 0, Standing.NONE, Optional.of("abc"), Optional.of("other")), false);
        assertThat(fault().code()).isEqualTo(FaultCode.MODEL_MISMATCH);
        assertThat(fault().message())
                .contains("model.path/config.json")
                .contains("SHA-256 other, now it is cfg")
                .contains("restore the file")
                .contains("another --run-dir");
    }

    @Test
    void everythingThatDoesNotFitIsReportedAtOnce() {
        state = RunPlan.start(Runs.terms("data.sequence-tokens = 65"));
        describe();
        hear(new RunSignal.ModelDescribed(GENERATION, Runs.MODEL));
        hear(new RunSignal.DataDescribed(GENERATION, 0, new DataFacts(10, 5, 0, 0, 101, "abc")));
        assertThat(fault().code()).isEqualTo(FaultCode.TOKENIZER_INVALID);
        assertThat(fault().message())
                .contains("ids up to 100")
                .contains("100 rows")
                .contains("data.sequence-tokens = 65: must be at most 64");
    }

    @Test
    void sequencesLongerThanTheModelsContextAreAMistakeInTheConfiguration() {
        state = RunPlan.start(Runs.terms("data.sequence-tokens = 65"));
        load();
        assertThat(fault().code()).isEqualTo(FaultCode.CONFIG_INVALID);
    }

    @Test
    void aModelWithoutParametersIsRefused() {
        describe();
        hear(new RunSignal.DataDescribed(GENERATION, 0, Runs.DATA));
        hear(new RunSignal.ModelDescribed(
                GENERATION, Runs.MODEL.toBuilder().clearUnits().build()));
        assertThat(fault().code()).isEqualTo(FaultCode.MODEL_MISMATCH);
    }

    @Test
    void dataWithoutExamplesIsRefused() {
        describe();
        hear(new RunSignal.ModelDescribed(GENERATION, Runs.MODEL));
        hear(new RunSignal.DataDescribed(GENERATION, 0, new DataFacts(0, 0, 3, 0, 100, "abc")));
        assertThat(fault().code()).isEqualTo(FaultCode.DATA_EMPTY);
    }

    @Test
    void aStopFinishesTheStepInHandCommitsAndEnds() {
        train();
        steps(0, 2);
        hear(new RunSignal.StopRequested("Ctrl-C"));
        assertThat(orders()).containsExactly(new StopSpan(GENERATION));
        steps(2, 3);
        hear(new RunSignal.SpanDone(GENERATION, 0, 3));
        assertThat(effects).containsExactly(new Effect.WriteCheckpoint(GENERATION, 3, BYTES, IDS));
        committed(3);
        assertThat(end()).isEqualTo(new Effect.End(Outcome.STOPPED, 3, Optional.empty(), "Ctrl-C"));
    }

    @Test
    void aStopBeforeTheFirstStepNeedsNoCheckpoint() {
        train();
        hear(new RunSignal.StopRequested("Ctrl-C"));
        hear(new RunSignal.SpanDone(GENERATION, 0, 0));
        assertThat(end().outcome()).isEqualTo(Outcome.STOPPED);
        assertThat(effects).hasSize(1);
    }

    @Test
    void aStopRightAfterAnEvaluationDoesNotRepeatIt() {
        train("evaluation.every = 2");
        span(0, 2);
        evaluated(2);
        hear(new RunSignal.StopRequested("Ctrl-C"));
        hear(new RunSignal.SpanDone(GENERATION, 0, 2));
        assertThat(effects).containsExactly(new Effect.WriteCheckpoint(GENERATION, 2, BYTES, IDS));
    }

    @Test
    void aStopOnAnEvaluationsStepMakesItFirstSoThatAResumedRunNeedNot() {
        train("evaluation.every = 2");
        steps(0, 2);
        hear(new RunSignal.StopRequested("Ctrl-C"));
        hear(new RunSignal.SpanDone(GENERATION, 0, 2));
        assertThat(orders()).containsExactly(new Evaluate(GENERATION, 2));
        evaluated(2);
        committed(2);
        assertThat(end().outcome()).isEqualTo(Outcome.STOPPED);
    }

    @Test
    void aStopDuringPreparationEndsAtOnce() {
        List<Runnable> preparations = List.of(() -> {}, this::describe, this::load);
        for (Runnable preparation : preparations) {
            state = RunPlan.start(Runs.terms());
            preparation.run();
            hear(new RunSignal.StopRequested("Ctrl-C"));
            assertThat(end().outcome()).isEqualTo(Outcome.STOPPED);
        }
    }

    @Test
    void aStopDuringACheckpointEndsTheRunAfterIt() {
        train("checkpoint.every = 2");
        span(0, 2);
        hear(new RunSignal.StopRequested("Ctrl-C"));
        assertThat(effects).isEmpty();
        committed(2);
        assertThat(end().outcome()).isEqualTo(Outcome.STOPPED);
    }

    @Test
    void aSecondStopIsTheFirstOne() {
        train();
        hear(new RunSignal.StopRequested("Ctrl-C"));
        RunState stopping = state;
        hear(new RunSignal.StopRequested("Ctrl-C again"));
        assertThat(state).isSameAs(stopping);
        assertThat(effects).isEmpty();
    }

    @Test
    void aStopDuringTheExportLetsItFinish() {
        train();
        span(0, 5);
        evaluated(5);
        committed(5);
        hear(new RunSignal.StopRequested("Ctrl-C"));
        hear(new RunSignal.ModelExported(GENERATION, 5));
        assertThat(end().outcome()).isEqualTo(Outcome.FINISHED);
    }
}
