// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.optimizer;

import org.chorale.training.optimizer.OptimizerConfig.Schedule;

/**
 * The learning rate of each step, a pure function of its number, as Transformers' schedulers give it: warm-up rises
 * linearly from 0 and reaches the peak after {@code warmupSteps}; linear and cosine then fall to 0 at the end.
 */
public record LearningRate(Schedule schedule, double peak, long warmupSteps, long totalSteps) {
    /** @param totalSteps of the run, where the schedule ends */
    public static LearningRate of(OptimizerConfig config, long totalSteps) {
        return new LearningRate(config.schedule(), config.learningRate(), config.warmupSteps(), totalSteps);
    }

    /**
     * The rate of one step.
     *
     * @param step 1 for the first
     */
    public double at(long step) {
        long done = step - 1;
        if (done < warmupSteps) {
            return peak * done / warmupSteps;
        }
        double progress = (double) (done - warmupSteps) / Math.max(1, totalSteps - warmupSteps);
        return switch (schedule) {
            case CONSTANT -> peak;
            case LINEAR -> peak * Math.max(0, 1 - progress);
            case COSINE -> peak * Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));
        };
    }
}
