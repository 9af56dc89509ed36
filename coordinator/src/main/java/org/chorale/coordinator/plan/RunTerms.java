// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import org.chorale.proto.config.ConfigReader;

/** What of {@code run.conf} the plan of a run follows; each component is read at the path of its name. */
public record RunTerms(
        RunSettings run,
        CheckpointSettings checkpoint,
        EvaluationSettings evaluation,
        ParallelSettings parallel,
        BatchSettings data) {
    /**
     * Reads a resolved configuration.
     *
     * @throws org.chorale.proto.fault.FaultException CONFIG_INVALID, with every problem
     */
    public static RunTerms read(String runConf) {
        return ConfigReader.read(runConf, "", RunTerms.class);
    }

    /** Optimizer steps of the whole run: {@code run.steps}, or what the feeder found {@code run.epochs} to take. */
    long totalSteps(DataFacts data) {
        return run.steps().orElse(data.steps());
    }

    /** Whether nothing is left to train: all steps are done, or the evaluations have not improved for long enough. */
    boolean complete(long step, long totalSteps, Standing standing) {
        return step >= totalSteps || endsEarly(standing);
    }

    boolean endsEarly(Standing standing) {
        return evaluation.patience() > 0 && standing.sinceBest() >= evaluation.patience();
    }

    boolean checkpointFallsOn(long step) {
        return checkpoint.every() > 0 && step % checkpoint.every() == 0;
    }

    boolean evaluationFallsOn(long step) {
        return evaluation.every() > 0 && step % evaluation.every() == 0;
    }
}
