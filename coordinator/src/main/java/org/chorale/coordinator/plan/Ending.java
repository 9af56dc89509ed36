// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.util.List;
import java.util.Optional;
import org.chorale.coordinator.plan.RunState.Claiming;
import org.chorale.coordinator.plan.RunState.Describing;
import org.chorale.coordinator.plan.RunState.Ended;
import org.chorale.coordinator.plan.RunState.Exporting;
import org.chorale.coordinator.plan.RunState.Failing;
import org.chorale.coordinator.plan.RunState.Gathering;
import org.chorale.coordinator.plan.RunState.Loading;
import org.chorale.coordinator.plan.RunState.Settling;
import org.chorale.coordinator.plan.RunState.Training;
import org.chorale.coordinator.plan.RunState.UnderWay;
import org.chorale.coordinator.plan.RunState.Verifying;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultKind;
import org.chorale.proto.message.WorkerCommand.StopSpan;
import org.chorale.proto.wire.RunEnded.Outcome;

/** All ways in which a run ends: with its export, on request, or with a fault. Committed checkpoints stay as they are. */
final class Ending {
    private Ending() {}

    /** A stop, or one of the ways in which a run fails. */
    static Decision interrupt(RunState state, RunSignal.Interruption signal) {
        if (signal instanceof RunSignal.StopRequested stop) {
            return onStopRequested(state, stop.reason());
        } else if (signal instanceof RunSignal.WorkerFailed failed) {
            return onWorkerFailed(state, failed);
        } else if (signal instanceof RunSignal.FeedFailed failed) {
            return onFeedFailed(state, failed);
        } else if (signal instanceof RunSignal.WorkerUnavailable unavailable) {
            return Regrouping.giveUp(state, unavailable);
        } else if (signal instanceof RunSignal.Silence silence) {
            String message = "run.progress-timeout: for %d seconds the run waited in vain for %s"
                    .formatted(silence.length().toSeconds(), state.awaited());
            return fail(state, new Fault(FaultCode.TIMED_OUT, message));
        } else if (signal instanceof RunSignal.EffectFailed failed) {
            return fail(state, failed.fault());
        }
        return unexpected(state, signal.getClass().getSimpleName() + " was heard");
    }

    /**
     * Where a peer is gone, its node says so in a moment, or it says itself what was wrong with it. At the start the data
     * may be wrong as well, which the user would like to know at once.
     */
    private static Decision onWorkerFailed(RunState state, RunSignal.WorkerFailed failed) {
        Fault fault = told(state, failed);
        if (state instanceof Describing describing && !describing.undescribed().isEmpty()) {
            return awaitMore(describing, fault);
        } else if (fault.code() != FaultCode.PEER_LOST) {
            return fail(state, fault);
        } else if (state instanceof Settling || state instanceof Gathering || state instanceof Claiming) {
            return Decision.of(state);
        } else if (state instanceof UnderWay underWay && failed.rank() >= 0) {
            String place = underWay.team().ids().get(failed.rank()).place();
            Loss loss = new Loss(place, FaultCode.PEER_LOST, fault.message());
            return Decision.of(new Settling(underWay.leg(), loss), new Effect.AwaitMore());
        }
        return fail(state, fault);
    }

    /** Which of many ranks it was matters, unless it is something that all of them have in common. */
    private static Fault told(RunState state, RunSignal.WorkerFailed failed) {
        Fault fault = failed.fault();
        boolean alike = fault.code().kind() == FaultKind.USER || failed.rank() < 0;
        if (alike || !(state instanceof UnderWay underWay) || underWay.team().size() == 1) {
            return fault;
        }
        String who = underWay.team().named(List.of(failed.rank()));
        return new Fault(fault.code(), "%s: %s".formatted(who, fault.message()));
    }

    /** What no step needs is never told, so that this ends the run, also one that is stopping. */
    private static Decision onFeedFailed(RunState state, RunSignal.FeedFailed failed) {
        return state instanceof Describing describing
                        && describing.footing().knowledge().model().isEmpty()
                ? awaitMore(describing, failed.fault())
                : fail(state, failed.fault());
    }

    private static Decision awaitMore(Describing state, Fault fault) {
        Failing failing = new Failing(state.footing(), state.generation(), state.step(), fault);
        return Decision.of(failing, new Effect.AwaitMore());
    }

    /** Whatever is heard, the run ends; where it is the other's fault, with both. */
    static Decision onMoreWhileFailing(Failing state, RunSignal signal) {
        if (signal instanceof RunSignal.WorkerFailed failed) {
            return fail(state, Fitness.both(failed.fault(), state.fault()));
        } else if (signal instanceof RunSignal.FeedFailed failed) {
            return fail(state, Fitness.both(state.fault(), failed.fault()));
        }
        return signal instanceof RunSignal.StillWorking ? Decision.of(state) : fail(state, state.fault());
    }

    /** Before training there is nothing to save; later the work in hand is finished and committed first. */
    private static Decision onStopRequested(RunState state, String reason) {
        if (!(state instanceof UnderWay underWay) || state instanceof Loading || state instanceof Settling) {
            return stop(state, reason);
        } else if (state instanceof Exporting
                || state instanceof Verifying
                || underWay.progress().stopping()) {
            return Decision.of(state);
        }
        UnderWay stopping = underWay.with(underWay.progress().stopping(reason));
        return state instanceof Training
                ? Decision.of(stopping, new Effect.Order(underWay.team().ids(), new StopSpan(state.generation())))
                : Decision.of(stopping);
    }

    /** At the last commit; all that was done later is given up. */
    static Decision stop(RunState state, String reason) {
        long step = state instanceof UnderWay underWay ? underWay.progress().committedStep() : state.step();
        return end(state, step, Outcome.STOPPED, reason);
    }

    /** The last step's checkpoint has just been written; another one is read once more. */
    static Decision export(UnderWay state) {
        Optional<Long> step = state.course().exportedStep(state.progress());
        if (step.isEmpty()) {
            return fail(state, Fitness.noBest());
        }
        return step.get() == state.step()
                ? export(state, state.step())
                : Decision.of(
                        new Verifying(state.leg(), step.get()),
                        new Effect.VerifyCheckpoint(state.generation(), step.get()));
    }

    private static Decision export(UnderWay state, long step) {
        WorkerId first = state.team().ids().get(0);
        return Decision.of(new Exporting(state.leg(), step), new Effect.Export(state.generation(), step, first));
    }

    static Decision onCheckpointVerified(Verifying state, RunSignal.CheckpointVerified verified) {
        return verified.step() == state.bestStep()
                ? export(state, state.bestStep())
                : unexpected(state, "the checkpoint of step " + verified.step() + " was verified");
    }

    static Decision onModelExported(Exporting state, RunSignal.ModelExported exported) {
        return exported.step() == state.exported()
                ? end(state, state.step(), Outcome.FINISHED, howItEnded(state))
                : unexpected(state, "an export of step " + exported.step() + " was reported");
    }

    private static String howItEnded(Exporting state) {
        String training = state.step() >= state.course().totalSteps()
                ? "all %d steps are done".formatted(state.step())
                : "%d evaluations in a row were not the best (evaluation.patience)"
                        .formatted(state.progress().standing().sinceBest());
        return state.exported() == state.step()
                ? training
                : training + "; the model of step %d is exported, the best".formatted(state.exported());
    }

    static Decision unexpected(RunState state, String what) {
        return fail(state, new Fault(FaultCode.INTERNAL, what + ", but the run waited for " + state.awaited()));
    }

    static Decision fail(RunState state, Fault fault) {
        Effect.End end = new Effect.End(Outcome.FAILED, state.step(), Optional.of(fault), fault.message());
        return Decision.of(new Ended(state.footing(), state.generation(), state.step()), end);
    }

    static Decision end(RunState state, long step, Outcome outcome, String message) {
        Effect.End end = new Effect.End(outcome, step, Optional.empty(), message);
        return Decision.of(new Ended(state.footing(), state.generation(), step), end);
    }
}
