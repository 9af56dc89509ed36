// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.optimizer;

/**
 * The learning rate of each step, a pure function of its number, as Transformers' and torch's schedulers give it.
 *
 * <p>Warm-up rises linearly from 0 and reaches the peak after {@code warmupSteps}; linear, cosine and polynomial then
 * fall to {@code final-ratio} of the peak at the end of the run, warmup-stable-decay does so over its last {@code
 * decay-share}, and step is multiplied by {@code step-factor} after every {@code step-every} steps.
 *
 * @param totalSteps of the run, where the schedule ends
 */
public record LearningRate(ScheduleConfig config, double peak, long totalSteps) {
    private static final double DEFAULT_STEP_FACTOR = 0.1;
    private static final double DEFAULT_DECAY_SHARE = 0.1;

    /**
     * The rate of one step.
     *
     * @param step 1 for the first
     */
    public double at(long step) {
        long done = step - 1;
        long warmupSteps = config.warmupSteps();
        if (done < warmupSteps) {
            return peak * done / warmupSteps;
        }
        return peak * share(done);
    }

    /** Of the peak, after warm-up. */
    private double share(long done) {
        double progress = progress(done, config.warmupSteps());
        return switch (config.schedule()) {
            case CONSTANT -> 1;
            case LINEAR -> falling(1 - progress);
            case COSINE -> falling(0.5 * (1 + Math.cos(Math.PI * progress)));
            case POLYNOMIAL ->
                falling(Math.pow(1 - progress, config.schedulePower().orElse(1.0)));
            case STEP -> Math.pow(config.stepFactor().orElse(DEFAULT_STEP_FACTOR), cuts(done));
            case WARMUP_STABLE_DECAY -> falling(1 - progress(done, decayStart()));
        };
    }

    /** From 1 down to 0 becomes from 1 down to the final ratio. */
    private double falling(double shape) {
        double last = config.finalRatio().orElse(0.0);
        return last + (1 - last) * Math.max(0, shape);
    }

    /** 0 until {@code start}, 1 from the end on. */
    private double progress(long done, long start) {
        return Math.min(1, Math.max(0, (double) (done - start) / Math.max(1, totalSteps - start)));
    }

    private double cuts(long done) {
        return (double)
                Math.floorDiv(done - config.warmupSteps(), config.stepEvery().orElseThrow());
    }

    private long decayStart() {
        double share = config.decayShare().orElse(DEFAULT_DECAY_SHARE);
        return Math.max(config.warmupSteps(), totalSteps - (long) Math.ceil(share * totalSteps));
    }
}
