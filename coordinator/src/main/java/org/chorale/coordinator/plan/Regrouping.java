// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.chorale.coordinator.plan.RunState.Claiming;
import org.chorale.coordinator.plan.RunState.Describing;
import org.chorale.coordinator.plan.RunState.Gathering;
import org.chorale.coordinator.plan.RunState.UnderWay;
import org.chorale.proto.message.WorkerCommand.Abandon;
import org.chorale.proto.wire.RecoveryBegan;
import org.chorale.proto.wire.RunEvent;
import org.chorale.proto.wire.WorkersAwaited;

/** How a generation comes together, and what becomes of the run when someone of it is lost. */
final class Regrouping {
    private Regrouping() {}

    /** Whoever comes is remembered in every stage, and has a part in the next generation. */
    static Decision hear(RunState state, RunSignal.OfCrew news) {
        if (news instanceof RunSignal.WorkerJoined joined) {
            return onWorkerJoined(state, joined.worker());
        } else if (news instanceof RunSignal.WorkerLost lost) {
            return onWorkerLost(state, lost.worker(), lost.reason());
        } else if (news instanceof RunSignal.Abandoned abandoned) {
            return onAbandoned(state, abandoned);
        } else if (news instanceof RunSignal.FeederJoined joined) {
            return onFeederJoined(state, joined);
        } else if (news instanceof RunSignal.FeederLost lost) {
            return onFeederLost(state, lost);
        }
        return Ending.unexpected(state, news.getClass().getSimpleName() + " was heard");
    }

    /** A newer process in the place of another says by its being there that the other has ended. */
    private static Decision onWorkerJoined(RunState state, Worker worker) {
        Crew crew = state.footing().crew();
        Optional<Worker> before = crew.at(worker.id().place());
        if (!crew.isNew(worker.id())) {
            return Decision.of(state);
        } else if (before.isPresent()) {
            return onWorkerLost(state, before.get().id(), "another process came in its place")
                    .then(next -> onWorkerJoined(next, worker));
        }
        return gatherOn(state.with(state.footing().with(crew.joined(worker))));
    }

    /** A machine alone has no other place; a cluster has one, or may get one while the run waits. */
    static Decision giveUp(RunState state, RunSignal.WorkerUnavailable news) {
        Footing footing = state.footing();
        Crew crew = footing.crew();
        if (!footing.othersInstead()) {
            return Ending.fail(state, news.fault());
        } else if (crew.givenUp().containsKey(news.place())) {
            return Decision.of(state); // heard before
        }
        String reason = news.fault().message();
        RunState without = state.with(footing.with(crew.gaveUp(news.place(), reason)));
        Decision next = crew.at(news.place()).isPresent()
                ? onLoss(without, Loss.ofWorker(news.place(), reason))
                : gatherOn(without);
        return next.after(new Effect.ReplacePlace(news.place(), reason));
    }

    private static Decision onWorkerLost(RunState state, WorkerId worker, String reason) {
        Crew crew = state.footing().crew();
        Crew left = crew.lost(worker);
        RunState without = state.with(state.footing().with(left));
        if (left.equals(crew)) {
            return Decision.of(state); // heard before
        }
        return left.workers().size() < crew.workers().size()
                ? onLoss(without, Loss.ofWorker(worker.place(), reason))
                : Decision.of(without);
    }

    /** As with workers, a newer one in a place says that the other has ended. */
    private static Decision onFeederJoined(RunState state, RunSignal.FeederJoined joined) {
        Crew crew = state.footing().crew();
        int before = crew.feeders().getOrDefault(joined.feeder(), 0);
        if (!crew.isNewFeeder(joined.feeder(), joined.incarnation())) {
            return Decision.of(state);
        } else if (before > 0) {
            return onFeederLost(state, new RunSignal.FeederLost(joined.feeder(), before, "another came in its place"))
                    .then(next -> onFeederJoined(next, joined));
        }
        return gatherOn(state.with(state.footing().with(crew.feederJoined(joined.feeder(), joined.incarnation()))));
    }

    private static Decision onFeederLost(RunState state, RunSignal.FeederLost lost) {
        Footing footing = state.footing();
        Crew left = footing.crew().feederLost(lost.feeder(), lost.incarnation());
        if (left.feeders().equals(footing.crew().feeders())) {
            return left.equals(footing.crew()) ? Decision.of(state) : Decision.of(state.with(footing.with(left)));
        }
        Footing without = footing.with(left).with(footing.knowledge().without(lost.feeder()));
        return onLoss(state.with(without), Loss.ofFeeder(lost.feeder(), lost.reason()));
    }

    /** @param state without the lost one, who may have had a part in the generation or not */
    private static Decision onLoss(RunState state, Loss loss) {
        if (state instanceof Gathering || state instanceof Claiming) {
            return onLossMeanwhile(state, loss);
        } else if (state instanceof Describing describing
                && !describing.team().isWithin(state.footing().crew())) {
            return recover(state, loss);
        } else if (state instanceof UnderWay underWay
                && !underWay.team().isWithin(state.footing().crew())) {
            return recover(state, loss);
        }
        return Decision.of(state);
    }

    /** Before a generation has formed another loss is part of the same recovery, unless it is the same place again. */
    private static Decision onLossMeanwhile(RunState state, Loss loss) {
        Recoveries before = state.footing().recoveries();
        Recoveries after = before.lostMeanwhile(loss.place());
        RunState next = state.with(state.footing().with(after));
        if (next.footing().isExhausted()) {
            return Ending.fail(next, loss.afterRecoveries(before.inARow()));
        } else if (next instanceof Gathering gathering) {
            next = gathering.without(loss.place());
        }
        Decision decision = gatherOn(next);
        return after.total() > before.total() ? decision.after(announce(next, loss, next.step())) : decision;
    }

    /** Everyone who is left makes ready for another generation. What a stop was to save is lost with the worker. */
    static Decision recover(RunState state, Loss loss) {
        Footing footing = state.footing().with(state.footing().recoveries().another(loss.place()));
        if (state instanceof UnderWay underWay && underWay.progress().stopping()) {
            return Ending.stop(state, underWay.progress().stopReason().orElseThrow());
        } else if (footing.isExhausted()) {
            return Ending.fail(
                    state, loss.afterRecoveries(state.footing().recoveries().inARow()));
        }
        Set<WorkerId> leaving =
                footing.crew().workers().stream().map(Worker::id).collect(Collectors.toSet());
        Gathering gathering = new Gathering(footing, state.generation() + 1, committedStep(state), leaving);
        Decision decision = gatherOn(gathering).after(announce(gathering, loss, state.step()));
        return leaving.isEmpty() ? decision : decision.after(abandon(gathering));
    }

    private static Effect abandon(Gathering state) {
        List<WorkerId> leaving = state.leaving().stream().sorted(WorkerId.ORDER).toList();
        return new Effect.Order(leaving, new Abandon(state.generation()));
    }

    private static long committedStep(RunState state) {
        return state instanceof UnderWay underWay ? underWay.progress().committedStep() : state.step();
    }

    private static Decision onAbandoned(RunState state, RunSignal.Abandoned abandoned) {
        return state instanceof Gathering gathering && gathering.awaits(abandoned)
                ? gatherOn(gathering.without(abandoned.worker().place()))
                : Decision.of(state);
    }

    /** Claims a generation once all are there and nobody goes on with an earlier one; nothing in any other stage. */
    private static Decision gatherOn(RunState state) {
        if (!(state instanceof Gathering gathering)) {
            return Decision.of(state);
        } else if (state.footing().isComplete() && gathering.leaving().isEmpty()) {
            Team team = Team.of(state.footing().crew(), state.terms().parallel());
            return Decision.of(
                    new Claiming(state.footing(), team, state.generation(), state.step()),
                    new Effect.ClaimGeneration(team));
        }
        return isWorthTelling(state) ? Decision.of(state, announceAwaited(state)) : Decision.of(state);
    }

    /** At the start the feeders of a run whose workers are all there follow at once. */
    private static boolean isWorthTelling(RunState state) {
        return state.footing().recoveries().total() > 0
                || state.footing().crew().workers().size()
                        < state.terms().parallel().workers();
    }

    /** Whoever was lost while the directory was asked is missing now; the generation is left out. */
    static Decision onGenerationClaimed(Claiming state, RunSignal.GenerationClaimed claimed) {
        if (!state.team().isWithin(state.footing().crew())) {
            long step = claimed.resume().map(ResumePoint::step).orElse(0L);
            return gatherOn(new Gathering(state.footing(), claimed.generation(), step, Set.of()));
        }
        return Preparation.describe(new Describing(
                state.footing(), state.team(), claimed.generation(), claimed.resume(), claimed.exported()));
    }

    private static Effect announceAwaited(RunState state) {
        return new Effect.Announce(RunEvent.newBuilder()
                .setAwaited(WorkersAwaited.newBuilder()
                        .setWorkers(state.footing().crew().workers().size())
                        .setWanted(state.terms().parallel().workers())
                        .setAwaited(state.awaited()))
                .build());
    }

    /** @param step done and recorded until the loss */
    private static Effect announce(RunState state, Loss loss, long step) {
        return new Effect.Announce(RunEvent.newBuilder()
                .setRecovery(RecoveryBegan.newBuilder()
                        .setWorker(loss.place())
                        .setReason(loss.reason())
                        .setStep(step)
                        .setFromStep(state.step())
                        .setRecoveries(state.footing().recoveries().total()))
                .build());
    }
}
