// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.LongStream;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.proto.message.WorkerCommand.Evaluate;
import org.chorale.proto.message.WorkerCommand.RunSteps;
import org.chorale.proto.message.WorkerCommand.StopSpan;
import org.chorale.proto.wire.EvaluationReport;
import org.chorale.proto.wire.RunEnded.Outcome;
import org.chorale.proto.wire.ShardFile;
import org.junit.jupiter.api.Test;

class RunPlanTest {
    private static final long GENERATION = 3;
    private static final Fault DISK_FULL = new Fault(FaultCode.STORAGE_FAILED, "no space");

    private RunState state = RunPlan.start(Runs.terms());
    private List<Effect> effects = List.of();

    @Test
    void theFirstWorkerHasAGenerationClaimedAndIsAskedForItsModel() {
        hear(new RunSignal.WorkerJoined("a"));
        assertThat(effects).containsExactly(new Effect.ClaimGeneration());
        hear(new RunSignal.GenerationClaimed(GENERATION, Optional.empty(), false));
        assertThat(effects).containsExactly(new Effect.Describe(GENERATION));
    }

    @Test
    void aSecondWorkerChangesNothing() {
        describe();
        RunState before = state;
        hear(new RunSignal.WorkerJoined("b"));
        assertThat(state).isSameAs(before);
        assertThat(effects).isEmpty();
    }

    @Test
    void theShardIsTakenOnceModelAndDataAreKnownInWhateverOrder() {
        describe();
        hear(new RunSignal.DataDescribed(GENERATION, Runs.DATA));
        assertThat(state.awaited()).contains("outline of the model").contains("worker a");
        assertThat(effects).isEmpty();
        hear(new RunSignal.ModelDescribed(GENERATION, Runs.MODEL));
        assertThat(effects)
                .containsExactly(
                        new Effect.RememberInputs("abc", "cfg"),
                        new Effect.OpenMetrics(Optional.empty()),
                        new Effect.TakeShard(GENERATION, ShardPlanner.plan(Runs.MODEL, 1), Optional.empty(), 5));
    }

    @Test
    void theUntrainedModelIsMeasuredBeforeTheFirstStep() {
        load();
        hear(new RunSignal.ShardReady(GENERATION, 0));
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
        hear(new RunSignal.DataDescribed(GENERATION, new DataFacts(10, 0, 0, 100, "abc")));
        hear(new RunSignal.ShardReady(GENERATION, 0));
        assertThat(orders()).containsExactly(new RunSteps(GENERATION, 0, 5));
        span(0, 5);
        assertThat(effects).containsExactly(new Effect.WriteCheckpoint(GENERATION, 5));
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
        assertThat(effects).containsExactly(new Effect.WriteCheckpoint(GENERATION, 3));
        checkpointed(3);
        assertThat(orders()).containsExactly(new RunSteps(GENERATION, 3, 4));
    }

    @Test
    void atTheEndTheModelIsMeasuredCommittedAndExported() {
        train();
        span(0, 5);
        assertThat(orders()).containsExactly(new Evaluate(GENERATION, 5));
        evaluated(5);
        assertThat(effects).contains(new Effect.WriteCheckpoint(GENERATION, 5));
        checkpointed(5);
        assertThat(effects).containsExactly(new Effect.Export(GENERATION, 5));
        hear(new RunSignal.ModelExported(GENERATION, 5));
        assertThat(end().outcome()).isEqualTo(Outcome.FINISHED);
    }

    @Test
    void theManifestIsWrittenWithWhatWasSkippedInARow() {
        train();
        LongStream.rangeClosed(1, 5)
                .forEach(step -> hear(new RunSignal.StepDone(GENERATION, Runs.step(step, step >= 4))));
        hear(new RunSignal.SpanDone(GENERATION, 5));
        evaluated(5);
        ShardFile file =
                ShardFile.newBuilder().setName("rank-00000.safetensors").build();
        hear(new RunSignal.ShardWritten(GENERATION, 5, file));
        assertThat(effects).containsExactly(new Effect.Commit(GENERATION, 5, 2, List.of(file)));
    }

    @Test
    void aResumedRunGoesOnFromItsCheckpointWithoutMeasuringItAgain() {
        resume(new ResumePoint("step-000002", 2, 1, Optional.of("abc"), Optional.of("cfg")), false);
        assertThat(effects)
                .contains(new Effect.OpenMetrics(Optional.of(2L)))
                .contains(new Effect.TakeShard(
                        GENERATION, ShardPlanner.plan(Runs.MODEL, 1), Optional.of("step-000002"), 5));
        hear(new RunSignal.ShardReady(GENERATION, 2));
        assertThat(orders()).containsExactly(new RunSteps(GENERATION, 2, 5));
    }

    @Test
    void skippedStepsInARowAreCountedAcrossAResume() {
        resume(new ResumePoint("step-000002", 2, 3, Optional.of("abc"), Optional.of("cfg")), false);
        hear(new RunSignal.ShardReady(GENERATION, 2));
        hear(new RunSignal.StepDone(GENERATION, Runs.step(3, true)));
        assertThat(fault().code()).isEqualTo(FaultCode.NOT_FINITE);
    }

    @Test
    void aCompleteRunWithItsExportIsFinishedAtOnce() {
        resume(new ResumePoint("step-000005", 5, 0, Optional.of("abc"), Optional.of("cfg")), true);
        assertThat(end().outcome()).isEqualTo(Outcome.FINISHED);
        assertThat(effects).hasSize(1);
    }

    @Test
    void aCompleteRunWithoutItsExportWritesThatOnly() {
        resume(new ResumePoint("step-000005", 5, 0, Optional.of("abc"), Optional.of("cfg")), false);
        hear(new RunSignal.ShardReady(GENERATION, 5));
        assertThat(effects).last().isEqualTo(new Effect.Export(GENERATION, 5));
        hear(new RunSignal.ModelExported(GENERATION, 5));
        assertThat(end().outcome()).isEqualTo(Outcome.FINISHED);
    }

    @Test
    void changedDataIsNotTrainedOn() {
        resume(new ResumePoint("step-000002", 2, 0, Optional.of("other"), Optional.of("cfg")), false);
        assertThat(fault().code()).isEqualTo(FaultCode.DATA_CHANGED);
        assertThat(fault().message()).contains("data or tokenizer");
    }

    @Test
    void aChangedModelConfigurationIsNotTrainedOn() {
        resume(new ResumePoint("step-000002", 2, 0, Optional.of("abc"), Optional.of("other")), false);
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
        hear(new RunSignal.DataDescribed(GENERATION, new DataFacts(10, 0, 0, 101, "abc")));
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
        hear(new RunSignal.DataDescribed(GENERATION, Runs.DATA));
        hear(new RunSignal.ModelDescribed(
                GENERATION, Runs.MODEL.toBuilder().clearUnits().build()));
        assertThat(fault().code()).isEqualTo(FaultCode.MODEL_MISMATCH);
    }

    @Test
    void dataWithoutExamplesIsRefused() {
        describe();
        hear(new RunSignal.ModelDescribed(GENERATION, Runs.MODEL));
        hear(new RunSignal.DataDescribed(GENERATION, new DataFacts(0, 3, 0, 100, "abc")));
        assertThat(fault().code()).isEqualTo(FaultCode.DATA_EMPTY);
    }

    @Test
    void aStopFinishesTheStepInHandCommitsAndEnds() {
        train();
        steps(0, 2);
        hear(new RunSignal.StopRequested("Ctrl-C"));
        assertThat(orders()).containsExactly(new StopSpan(GENERATION));
        steps(2, 3);
        hear(new RunSignal.SpanDone(GENERATION, 3));
        assertThat(effects).containsExactly(new Effect.WriteCheckpoint(GENERATION, 3));
        checkpointed(3);
        assertThat(end()).isEqualTo(new Effect.End(Outcome.STOPPED, 3, Optional.empty(), "Ctrl-C"));
    }

    @Test
    void aStopBeforeTheFirstStepNeedsNoCheckpoint() {
        train();
        hear(new RunSignal.StopRequested("Ctrl-C"));
        hear(new RunSignal.SpanDone(GENERATION, 0));
        assertThat(end().outcome()).isEqualTo(Outcome.STOPPED);
        assertThat(effects).hasSize(1);
    }

    @Test
    void aStopRightAfterAnEvaluationDoesNotRepeatIt() {
        train("evaluation.every = 2");
        span(0, 2);
        evaluated(2);
        hear(new RunSignal.StopRequested("Ctrl-C"));
        hear(new RunSignal.SpanDone(GENERATION, 2));
        assertThat(effects).containsExactly(new Effect.WriteCheckpoint(GENERATION, 2));
    }

    @Test
    void aStopOnAnEvaluationsStepMakesItFirstSoThatAResumedRunNeedNot() {
        train("evaluation.every = 2");
        steps(0, 2);
        hear(new RunSignal.StopRequested("Ctrl-C"));
        hear(new RunSignal.SpanDone(GENERATION, 2));
        assertThat(orders()).containsExactly(new Evaluate(GENERATION, 2));
        evaluated(2);
        checkpointed(2);
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
        checkpointed(2);
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
        checkpointed(5);
        hear(new RunSignal.StopRequested("Ctrl-C"));
        hear(new RunSignal.ModelExported(GENERATION, 5));
        assertThat(end().outcome()).isEqualTo(Outcome.FINISHED);
    }

    @Test
    void aFailedWorkerEndsTheRunWithItsFaultAndNoCheckpoint() {
        train();
        steps(0, 2);
        hear(new RunSignal.WorkerFailed(GENERATION, new Fault(FaultCode.OUT_OF_MEMORY, "2 GB short")));
        assertThat(fault()).isEqualTo(new Fault(FaultCode.OUT_OF_MEMORY, "2 GB short"));
        assertThat(effects).noneMatch(effect -> effect instanceof Effect.WriteCheckpoint);
    }

    @Test
    void aFailedFeedEndsTheRunAndTheWorkersSpan() {
        train();
        hear(new RunSignal.FeedFailed(GENERATION, new Fault(FaultCode.DATA_MALFORMED, "row 7")));
        assertThat(orders()).containsExactly(new StopSpan(GENERATION));
        assertThat(fault().code()).isEqualTo(FaultCode.DATA_MALFORMED);
    }

    @Test
    void aFeedThatFailsInTheLastEvaluationEndsTheRunAtOnce() {
        train();
        span(0, 5);
        hear(new RunSignal.FeedFailed(GENERATION, new Fault(FaultCode.FILE_MISSING, "gone")));
        assertThat(fault().code()).isEqualTo(FaultCode.FILE_MISSING);
    }

    @Test
    void aFeedThatFailsBeyondTheLastStepHarmsNothing() {
        train();
        span(0, 5);
        evaluated(5);
        hear(new RunSignal.FeedFailed(GENERATION, new Fault(FaultCode.FILE_MISSING, "gone")));
        checkpointed(5);
        assertThat(effects).containsExactly(new Effect.Export(GENERATION, 5));
    }

    @Test
    void aLostWorkerEndsTheRun() {
        train();
        hear(new RunSignal.WorkerLost());
        assertThat(fault().code()).isEqualTo(FaultCode.WORKER_LOST);
    }

    @Test
    void anEffectThatFailsEndsTheRunWithItsFault() {
        train();
        hear(new RunSignal.EffectFailed(DISK_FULL));
        assertThat(fault()).isEqualTo(DISK_FULL);
    }

    @Test
    void silenceNamesWhatWasAwaitedFromWhomAndForHowLong() {
        train();
        steps(0, 2);
        hear(new RunSignal.Silence(Duration.ofMinutes(30)));
        assertThat(fault().code()).isEqualTo(FaultCode.TIMED_OUT);
        assertThat(fault().message())
                .contains("1800 seconds")
                .contains("step 3 of the span up to step 5 from worker a");
    }

    @Test
    void asManyStepsAsAllowedMayBeSkippedAndOneMoreEndsTheRun() {
        train("run.non-finite-steps = 1");
        hear(new RunSignal.StepDone(GENERATION, Runs.step(1, true)));
        hear(new RunSignal.StepDone(GENERATION, Runs.step(2, false)));
        hear(new RunSignal.StepDone(GENERATION, Runs.step(3, true)));
        assertThat(state).isNotInstanceOf(RunState.Ended.class);
        hear(new RunSignal.StepDone(GENERATION, Runs.step(4, true)));
        assertThat(effects.get(0)).isEqualTo(new Effect.RecordStep(Runs.step(4, true)));
        assertThat(fault().code()).isEqualTo(FaultCode.NOT_FINITE);
        assertThat(fault().message()).contains("step 4").contains("[6, 7]");
    }

    @Test
    void aGapBetweenStepsIsABug() {
        train();
        hear(new RunSignal.StepDone(GENERATION, Runs.step(2, false)));
        assertThat(fault().code()).isEqualTo(FaultCode.INTERNAL);
        assertThat(fault().message()).contains("step 2 was reported").contains("step 1 of the span");
    }

    @Test
    void aSpanThatEndsEarlyUnaskedIsABug() {
        train();
        steps(0, 2);
        hear(new RunSignal.SpanDone(GENERATION, 2));
        assertThat(fault().code()).isEqualTo(FaultCode.INTERNAL);
    }

    @Test
    void aShardAtAnotherStepThanTheCheckpointsIsABug() {
        resume(new ResumePoint("step-000002", 2, 0, Optional.empty(), Optional.empty()), false);
        hear(new RunSignal.ShardReady(GENERATION, 0));
        assertThat(fault().code()).isEqualTo(FaultCode.INTERNAL);
    }

    @Test
    void newsOfAnotherGenerationChangesNothing() {
        train();
        RunState before = state;
        List<RunSignal> stale = List.of(
                new RunSignal.StepDone(GENERATION - 1, Runs.step(1, false)),
                new RunSignal.SpanDone(GENERATION + 1, 5),
                new RunSignal.WorkerFailed(GENERATION - 1, DISK_FULL),
                new RunSignal.ShardWritten(GENERATION - 1, 5, ShardFile.getDefaultInstance()));
        for (RunSignal signal : stale) {
            hear(signal);
            assertThat(state).isSameAs(before);
            assertThat(effects).isEmpty();
        }
    }

    @Test
    void afterTheEndNothingMatters() {
        hear(new RunSignal.StopRequested("Ctrl-C"));
        hear(new RunSignal.WorkerJoined("late"));
        hear(new RunSignal.WorkerLost());
        assertThat(effects).isEmpty();
        assertThat(state).isInstanceOf(RunState.Ended.class);
    }

    private void hear(RunSignal signal) {
        Decision decision = RunPlan.decide(state, signal);
        state = decision.state();
        effects = decision.effects();
    }

    private void describe() {
        hear(new RunSignal.WorkerJoined("worker a"));
        hear(new RunSignal.GenerationClaimed(GENERATION, Optional.empty(), false));
    }

    private void load() {
        describe();
        hear(new RunSignal.ModelDescribed(GENERATION, Runs.MODEL));
        hear(new RunSignal.DataDescribed(GENERATION, Runs.DATA));
    }

    private void resume(ResumePoint point, boolean exported) {
        hear(new RunSignal.WorkerJoined("worker a"));
        hear(new RunSignal.GenerationClaimed(GENERATION, Optional.of(point), exported));
        hear(new RunSignal.ModelDescribed(GENERATION, Runs.MODEL));
        hear(new RunSignal.DataDescribed(GENERATION, Runs.DATA));
    }

    /** Up to the first span. */
    private void train(String... settings) {
        state = RunPlan.start(Runs.terms(settings));
        load();
        hear(new RunSignal.ShardReady(GENERATION, 0));
        evaluated(0);
    }

    private void steps(long from, long until) {
        LongStream.rangeClosed(from + 1, until)
                .forEach(step -> hear(new RunSignal.StepDone(GENERATION, Runs.step(step, false))));
    }

    private void span(long from, long until) {
        steps(from, until);
        hear(new RunSignal.SpanDone(GENERATION, until));
    }

    private void evaluated(long step) {
        EvaluationReport report = EvaluationReport.newBuilder().setStep(step).build();
        hear(new RunSignal.Evaluated(GENERATION, report));
        assertThat(effects.get(0)).isEqualTo(new Effect.RecordEvaluation(report));
    }

    private void checkpointed(long step) {
        hear(new RunSignal.ShardWritten(GENERATION, step, ShardFile.getDefaultInstance()));
        assertThat(effects).singleElement().isInstanceOf(Effect.Commit.class);
        hear(new RunSignal.Committed(GENERATION, step));
    }

    private List<WorkerCommand> orders() {
        List<WorkerCommand> orders = new ArrayList<>();
        for (Effect effect : effects) {
            if (effect instanceof Effect.Order order) {
                orders.add(order.command());
            }
        }
        return orders;
    }

    private Effect.End end() {
        assertThat(effects).last().isInstanceOf(Effect.End.class);
        return (Effect.End) effects.get(effects.size() - 1);
    }

    private Fault fault() {
        assertThat(end().outcome()).isEqualTo(Outcome.FAILED);
        return end().fault().orElseThrow();
    }
}
