// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.optimizer;

import java.util.ArrayList;
import java.util.List;

/** The keys below {@code optimizer}; their meanings stand in chorale-defaults.conf. */
public record OptimizerConfig(
        double learningRate,
        Schedule schedule,
        long warmupSteps,
        double beta1,
        double beta2,
        double epsilon,
        double weightDecay,
        double clipNorm) {
    /** How the learning rate goes on after warm-up. */
    public enum Schedule {
        CONSTANT,
        LINEAR,
        COSINE
    }

    public OptimizerConfig {
        List<String> problems = new ArrayList<>();
        require(problems, learningRate >= 0 && finite(learningRate), "learning-rate", learningRate, "0 or above");
        require(problems, warmupSteps >= 0, "warmup-steps", warmupSteps, "0 or above");
        require(problems, beta1 >= 0 && beta1 < 1, "beta1", beta1, "from 0 to below 1");
        require(problems, beta2 >= 0 && beta2 < 1, "beta2", beta2, "from 0 to below 1");
        require(problems, epsilon > 0 && finite(epsilon), "epsilon", epsilon, "above 0");
        require(problems, weightDecay >= 0 && finite(weightDecay), "weight-decay", weightDecay, "0 or above");
        require(problems, clipNorm > 0, "clip-norm", clipNorm, "above 0");
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("\n", problems));
        }
    }

    private static boolean finite(double value) {
        return Double.isFinite(value);
    }

    private static void require(List<String> problems, boolean holds, String key, Number value, String range) {
        if (!holds) {
            problems.add("optimizer.%s = %s: must be %s".formatted(key, value, range));
        }
    }
}
