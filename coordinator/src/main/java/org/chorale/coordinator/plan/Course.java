// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.util.Optional;
import org.chorale.proto.wire.EvaluationReport;
import org.chorale.proto.wire.ShardPlan;

/**
 * What is settled once model and data are known, and stays so while the generation lasts.
 *
 * @param team who has which rank
 * @param totalSteps the step after which the run is done
 * @param plan who holds what of the model
 * @param parameters of the whole model
 * @param checkpointBytes that a checkpoint takes; 0 before the shards are loaded
 */
record Course(
        RunTerms terms,
        Team team,
        long generation,
        Optional<ResumePoint> resume,
        DataFacts data,
        long totalSteps,
        ShardPlan plan,
        long parameters,
        long checkpointBytes) {
    /** The next step after which the ranks must pause, for an evaluation, a checkpoint or the end. */
    long nextBoundary(long step) {
        long boundary = totalSteps;
        if (terms.checkpoint().every() > 0) {
            boundary = Math.min(boundary, following(step, terms.checkpoint().every()));
        }
        if (terms.evaluation().every() > 0 && data.evaluationExamples() > 0) {
            boundary = Math.min(boundary, following(step, terms.evaluation().every()));
        }
        return boundary;
    }

    /** Whether the step's evaluation belongs to the run; the one of step 0 comes before any training. */
    boolean evaluationDue(long step) {
        boolean falls = step == 0 || step == totalSteps || terms.evaluationFallsOn(step);
        return falls && data.evaluationExamples() > 0;
    }

    boolean checkpointDue(Progress progress) {
        boolean falls = progress.stopping()
                || complete(progress)
                || terms.checkpointFallsOn(progress.step())
                || (terms.checkpoint().keepBest() && progress.standing().isBest(progress.step()));
        return falls && progress.step() > progress.committedStep();
    }

    /** Whether nothing is left to train. */
    boolean complete(Progress progress) {
        return terms.complete(progress.step(), totalSteps, progress.standing());
    }

    /** The step whose model is the run's result; empty where it should be the best evaluation's and there is none. */
    Optional<Long> exportedStep(Progress progress) {
        return switch (terms.checkpoint().export()) {
            case LAST -> Optional.of(progress.step());
            case BEST -> progress.standing().best().map(EvaluationReport::getStep);
        };
    }

    Course with(long bytes) {
        return new Course(terms, team, generation, resume, data, totalSteps, plan, parameters, bytes);
    }

    /** The next multiple; the end of time where there is none, as {@code every} may be any number. */
    private static long following(long step, long every) {
        long done = step / every * every;
        return done > Long.MAX_VALUE - every ? Long.MAX_VALUE : done + every;
    }
}
