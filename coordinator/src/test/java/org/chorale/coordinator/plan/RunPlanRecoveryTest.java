// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.message.WorkerCommand.Abandon;
import org.chorale.proto.message.WorkerCommand.RunSteps;
import org.chorale.proto.message.WorkerCommand.StopSpan;
import org.chorale.proto.wire.RecoveryBegan;
import org.chorale.proto.wire.RunEnded.Outcome;
import org.junit.jupiter.api.Test;

/** Three workers on two nodes, and what becomes of their run when one of them is lost. */
class RunPlanRecoveryTest extends PlannedTeam {
    private static final Fault PEER = new Fault(FaultCode.PEER_LOST, "an all-gather was not finished");

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
        trainAsSet();
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
        trainAsSet();
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
        trainAsSet();
        hear(new RunSignal.WorkerUnavailable("a/2", new Fault(FaultCode.WORKER_LOST, "it ended three times")));
        assertThat(effects.get(0)).isInstanceOf(Effect.ReplacePlace.class);
        assertThat(orders()).containsExactly(new Abandon(generation + 1));
        assertThat(state.awaited()).contains("a/2 was given up").contains("to leave the generation before");
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

    private static ResumePoint checkpoint(long step) {
        return new ResumePoint("step", step, 0, Standing.NONE, Optional.of("abc"), Optional.of("cfg"));
    }
}
