// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.wire.ShardFile;
import org.junit.jupiter.api.Test;

class RunPlanFaultTest extends PlannedRun {
    @Test
    void aFailedWorkerEndsTheRunWithItsFaultAndNoCheckpoint() {
        train();
        steps(0, 2);
        hear(new RunSignal.WorkerFailed(GENERATION, 0, new Fault(FaultCode.OUT_OF_MEMORY, "2 GB short")));
        assertThat(fault()).isEqualTo(new Fault(FaultCode.OUT_OF_MEMORY, "2 GB short"));
        assertThat(effects).noneMatch(effect -> effect instanceof Effect.WriteCheckpoint);
    }

    @Test
    void aFailedFeedEndsTheRun() {
        train();
        hear(new RunSignal.FeedFailed(GENERATION, ROW_7));
        assertThat(fault().code()).isEqualTo(FaultCode.DATA_MALFORMED);
    }

    @Test
    void aBatchThatIsMissingForTheLastStepOfARunThatIsStoppingEndsItAtOnce() {
        train();
        steps(0, 2);
        hear(new RunSignal.StopRequested("Ctrl-C"));
        hear(new RunSignal.FeedFailed(GENERATION, ROW_7)); // all ranks had gone on to step 3 before they were told
        assertThat(fault()).isEqualTo(ROW_7);
    }

    @Test
    void anEvaluationThatCannotBeReadToItsEndEndsTheRun() {
        train();
        span(0, 5);
        hear(new RunSignal.FeedFailed(GENERATION, ROW_7));
        assertThat(fault()).isEqualTo(ROW_7);
    }

    @Test
    void faultsOfModelAndDataAreToldTogetherInWhateverOrder() {
        RunSignal model = new RunSignal.WorkerFailed(GENERATION, 0, NO_MODEL);
        RunSignal data = new RunSignal.FeedFailed(GENERATION, ROW_7);
        for (List<RunSignal> order : List.of(List.of(model, data), List.of(data, model))) {
            state = RunPlan.start(Runs.terms());
            describe();
            hear(order.get(0));
            assertThat(effects).containsExactly(new Effect.AwaitMore());
            hear(new RunSignal.WorkerLost(WORKER.id(), "signal 9")); // a worker that failed ends itself
            assertThat(effects).isEmpty();
            hear(order.get(1));
            assertThat(fault().message().lines()).containsExactly("no config.json", "row 7");
        }
        assertThat(fault().code()).as("of the first line").isEqualTo(FaultCode.FILE_MISSING);
    }

    @Test
    void aFaultOfModelOrDataIsToldAloneWhereTheOtherIsFineOrSaysNothing() {
        for (RunSignal more : List.of(
                new RunSignal.NothingMore(),
                new RunSignal.DataDescribed(GENERATION, 0, Runs.DATA),
                new RunSignal.StopRequested("Ctrl-C"))) {
            state = RunPlan.start(Runs.terms());
            describe();
            hear(new RunSignal.WorkerFailed(GENERATION, 0, NO_MODEL));
            hear(more);
            assertThat(fault()).isEqualTo(NO_MODEL);
        }
    }

    @Test
    void aFaultOfTheModelIsToldAtOnceWhereTheDataIsKnown() {
        describe();
        hear(new RunSignal.DataDescribed(GENERATION, 0, Runs.DATA));
        hear(new RunSignal.WorkerFailed(GENERATION, 0, NO_MODEL));
        assertThat(fault()).isEqualTo(NO_MODEL);
    }

    @Test
    void whoeverIsAtWorkIsWaitedForAndItIsToldHowFarAnEvaluationIs() {
        load();
        hear(new RunSignal.StillWorking(GENERATION, 0));
        assertThat(effects).containsExactly(new Effect.WaitOn(0, 0));
        hear(new RunSignal.ShardReady(GENERATION, 0, 0, BYTES, HOLDING));
        RunState evaluating = state;
        hear(new RunSignal.StillWorking(GENERATION, 3));
        assertThat(effects).containsExactly(new Effect.WaitOn(3, 4));
        assertThat(state).isSameAs(evaluating);
        hear(new RunSignal.StillWorking(GENERATION - 1, 4));
        assertThat(effects).isEmpty();
    }

    @Test
    void anOverflowWhileTheLossScaleAdaptsNeitherCountsNorEndsARow() {
        train("run.non-finite-steps = 1");
        hear(new RunSignal.StepDone(GENERATION, 0, Runs.step(1, true)));
        for (long step = 2; step <= 4; step++) {
            hear(new RunSignal.StepDone(
                    GENERATION,
                    0,
                    Runs.step(step, true).toBuilder().setOverflow(true).build()));
            assertThat(state).isNotInstanceOf(RunState.Ended.class);
        }
        hear(new RunSignal.StepDone(GENERATION, 0, Runs.step(5, true)));
        assertThat(fault().code()).isEqualTo(FaultCode.NOT_FINITE);
        assertThat(fault().message()).contains("the 2. time in a row");
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
                .contains("step 3 of the span up to step 5 from rank 0, node/0 (host, cpu)");
    }

    @Test
    void asManyStepsAsAllowedMayBeSkippedAndOneMoreEndsTheRun() {
        train("run.non-finite-steps = 1");
        hear(new RunSignal.StepDone(GENERATION, 0, Runs.step(1, true)));
        hear(new RunSignal.StepDone(GENERATION, 0, Runs.step(2, false)));
        hear(new RunSignal.StepDone(GENERATION, 0, Runs.step(3, true)));
        assertThat(state).isNotInstanceOf(RunState.Ended.class);
        hear(new RunSignal.StepDone(GENERATION, 0, Runs.step(4, true)));
        assertThat(effects.get(0)).isEqualTo(new Effect.RecordStep(Runs.step(4, true)));
        assertThat(fault().code()).isEqualTo(FaultCode.NOT_FINITE);
        assertThat(fault().message()).contains("step 4").contains("[6, 7]");
    }

    @Test
    void aGapBetweenStepsIsABug() {
        train();
        hear(new RunSignal.StepDone(GENERATION, 0, Runs.step(2, false)));
        assertThat(fault().code()).isEqualTo(FaultCode.INTERNAL);
        assertThat(fault().message()).contains("step 2 was reported").contains("step 1 of the span");
    }

    @Test
    void aSpanThatEndsEarlyUnaskedIsABug() {
        train();
        steps(0, 2);
        hear(new RunSignal.SpanDone(GENERATION, 0, 2));
        assertThat(fault().code()).isEqualTo(FaultCode.INTERNAL);
    }

    @Test
    void aShardAtAnotherStepThanTheCheckpointsIsABug() {
        resume(new ResumePoint("step-000002", 2, 0, Standing.NONE, Optional.empty(), Optional.empty()), false);
        hear(new RunSignal.ShardReady(GENERATION, 0, 0, BYTES, HOLDING));
        assertThat(fault().code()).isEqualTo(FaultCode.INTERNAL);
    }

    @Test
    void newsOfAnotherGenerationChangesNothing() {
        train();
        RunState before = state;
        List<RunSignal> stale = List.of(
                new RunSignal.StepDone(GENERATION - 1, 0, Runs.step(1, false)),
                new RunSignal.SpanDone(GENERATION + 1, 0, 5),
                new RunSignal.WorkerFailed(GENERATION - 1, 0, DISK_FULL),
                new RunSignal.ShardWritten(GENERATION - 1, 0, 5, ShardFile.getDefaultInstance()));
        for (RunSignal signal : stale) {
            hear(signal);
            assertThat(state).isSameAs(before);
            assertThat(effects).isEmpty();
        }
    }

    @Test
    void afterTheEndNothingMatters() {
        hear(new RunSignal.StopRequested("Ctrl-C"));
        hear(new RunSignal.WorkerJoined(WORKER));
        hear(new RunSignal.WorkerLost(WORKER.id(), "signal 9"));
        assertThat(effects).isEmpty();
        assertThat(state).isInstanceOf(RunState.Ended.class);
    }
}
