// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.util.Set;
import org.chorale.coordinator.plan.RunState.Checkpointing;
import org.chorale.coordinator.plan.RunState.Claiming;
import org.chorale.coordinator.plan.RunState.Committing;
import org.chorale.coordinator.plan.RunState.Describing;
import org.chorale.coordinator.plan.RunState.Ended;
import org.chorale.coordinator.plan.RunState.Evaluating;
import org.chorale.coordinator.plan.RunState.Exporting;
import org.chorale.coordinator.plan.RunState.Failing;
import org.chorale.coordinator.plan.RunState.Gathering;
import org.chorale.coordinator.plan.RunState.Loading;
import org.chorale.coordinator.plan.RunState.Settling;
import org.chorale.coordinator.plan.RunState.Training;
import org.chorale.coordinator.plan.RunState.Verifying;

/**
 * The story of a run, from the first worker that joins to the export: what each signal means in each stage. A pure
 * function: no actor, clock, file or network. {@code Coordinator} carries out what is decided here.
 *
 * <pre>
 * Gathering > Claiming > Describing > Loading > Training > Evaluating > Checkpointing > Committing > Exporting > Ended
 *     ^                                  |         ^                                        |
 *     |                                  |         +----------------------------------------+
 *     +------- a worker or feeder is lost -------------------------------------------------- ...
 * </pre>
 *
 * <p>The run trains once all its workers and feeders are there; each time that one is lost, whoever is left makes ready
 * for another generation, and with another in the lost one's place the run goes on from its last commit ({@link
 * Regrouping}). Model and data are described once ({@link Preparation}). The ranks run spans of steps ({@link Spans});
 * between two spans evaluations and checkpoints are made where they are due ({@link Boundaries}). The evaluation of a
 * step always comes before its checkpoint: so a checkpoint says that everything up to its step was measured, and a
 * resumed run repeats nothing; and the best evaluation so far can be the reason for a checkpoint. What is exported is a
 * committed checkpoint; one that is not the last is verified first ({@link Ending}).
 */
public final class RunPlan {
    private RunPlan() {}

    /** Where every run on one machine begins, a resumed one too: it needs all its places. */
    public static RunState start(RunTerms terms) {
        return start(terms, false);
    }

    /** Where every run begins whose places are some of a cluster's. */
    public static RunState startInCluster(RunTerms terms) {
        return start(terms, true);
    }

    private static RunState start(RunTerms terms, boolean othersInstead) {
        return new Gathering(Footing.of(terms, othersInstead), 0, 0, Set.of());
    }

    /** What follows from one signal. News of another generation, or after the end, changes nothing. */
    public static Decision decide(RunState state, RunSignal signal) {
        if (state instanceof Ended || isStale(state, signal)) {
            return Decision.of(state);
        } else if (signal instanceof RunSignal.OfCrew news) {
            return Regrouping.hear(state, news);
        } else if (state instanceof Failing failing) {
            return Ending.onMoreWhileFailing(failing, signal);
        } else if (signal instanceof RunSignal.Interruption interruption) {
            return Ending.interrupt(state, interruption);
        } else if (signal instanceof RunSignal.StillWorking working) {
            return onStillWorking(state, working);
        } else if (signal instanceof RunSignal.NothingMore) {
            return state instanceof Settling settling
                    ? Regrouping.recover(settling, settling.loss())
                    : Decision.of(state);
        }
        return state instanceof Settling ? Decision.of(state) : goOn(state, signal);
    }

    private static boolean isStale(RunState state, RunSignal signal) {
        return signal instanceof RunSignal.OfGeneration news && news.generation() != state.generation();
    }

    /** The way of a run where nothing goes wrong. */
    private static Decision goOn(RunState state, RunSignal signal) {
        if (state instanceof Claiming claiming && signal instanceof RunSignal.GenerationClaimed claimed) {
            return Regrouping.onGenerationClaimed(claiming, claimed);
        } else if (state instanceof Describing describing && signal instanceof RunSignal.ModelDescribed described) {
            return Preparation.onModelDescribed(describing, described);
        } else if (state instanceof Describing describing && signal instanceof RunSignal.DataDescribed described) {
            return Preparation.onDataDescribed(describing, described);
        } else if (state instanceof Loading loading && signal instanceof RunSignal.ShardReady ready) {
            return Preparation.onShardReady(loading, ready);
        } else if (state instanceof Training training && signal instanceof RunSignal.StepDone done) {
            return Spans.onStepDone(training, done);
        } else if (state instanceof Training training && signal instanceof RunSignal.SpanDone done) {
            return Spans.onSpanDone(training, done);
        } else if (state instanceof Evaluating evaluating && signal instanceof RunSignal.Evaluated evaluated) {
            return Boundaries.onEvaluated(evaluating, evaluated);
        } else if (state instanceof Checkpointing writing && signal instanceof RunSignal.ShardWritten written) {
            return Boundaries.onShardWritten(writing, written);
        } else if (state instanceof Committing committing && signal instanceof RunSignal.Committed committed) {
            return Boundaries.onCommitted(committing, committed);
        } else if (state instanceof Verifying verifying && signal instanceof RunSignal.CheckpointVerified verified) {
            return Ending.onCheckpointVerified(verifying, verified);
        } else if (state instanceof Exporting exporting && signal instanceof RunSignal.ModelExported exported) {
            return Ending.onModelExported(exporting, exported);
        } else if (signal instanceof RunSignal.Description) {
            return Decision.of(state); // it is known, or this generation did not ask
        }
        return Ending.unexpected(state, signal.getClass().getSimpleName() + " was heard");
    }

    /** Whoever waits knows more than that it is not silent: how far an evaluation is, of which each rank has its share. */
    private static Decision onStillWorking(RunState state, RunSignal.StillWorking working) {
        if (!(state instanceof Evaluating evaluating)) {
            return Decision.of(state, new Effect.WaitOn(0, 0));
        }
        long total = evaluating.course().data().evaluationExamples();
        long done = Math.min(working.done(), total) * evaluating.team().size();
        return Decision.of(state, new Effect.WaitOn(Math.min(done, total), total));
    }
}
