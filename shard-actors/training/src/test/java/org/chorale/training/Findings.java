// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Locale;
import java.util.Objects;

/** How far runs are from the same run on one rank. */
public final class Findings {
    static final String HEAD = """
            Runs of %d AdamW steps on 1 to 4 ranks, each a JVM of its own, over Gloo on 127.0.0.1; each compared with
            the same run on one rank in one micro-batch, in another process.
            gradient: of the first step, the worst in units of what torch's fp32 defaults allow
            loss:     of all steps, the worst relative difference
            outside:  weights after the last step that are outside torch's fp32 defaults
            weight:   the worst difference of them; 0.1 * lr * steps is %.1e

            mode and ranks       runs  gradient       loss               outside     weight
            """.formatted(RankRun.STEPS, 0.1 * RankRun.LEARNING_RATE * RankRun.STEPS);

    /** torch.testing.assert_close, for fp32. */
    private static final double RELATIVE = 1.3e-6;

    private static final double ABSOLUTE = 1e-5;

    /** Of the weights, and one of a few: Adam divides a gradient near zero by itself, rounding and all. */
    private static final double MAY_BE_OUTSIDE = 1e-4;

    private int runs;
    private int steps;
    private double worstGradient; // in units of what is allowed
    private double worstLoss; // relative
    private double worstWeight;
    private long weights;
    private long outside; // of the defaults

    /** Adds what is found of one run. */
    public void compare(RankRun actual, RankRun expected) {
        runs++;
        steps = expected.results().size();
        assertThat(actual.results()).hasSize(steps);
        assertThat(actual.gradients()).containsOnlyKeys(expected.gradients().keySet());
        for (int i = 0; i < steps; i++) {
            StepResult one = expected.results().get(i);
            StepResult many = actual.results().get(i);
            assertThat(many.trainedTokens()).isEqualTo(one.trainedTokens());
            assertThat(many.gradNorm()).isCloseTo(one.gradNorm(), within(1e-4 * one.gradNorm()));
            worstLoss = Math.max(worstLoss, Math.abs(many.lossNats() / one.lossNats() - 1));
        }
        expected.gradients().forEach((name, values) -> {
            float[] found = Objects.requireNonNull(actual.gradients().get(name));
            for (int i = 0; i < values.length; i++) {
                worstGradient = Math.max(worstGradient, excess(found[i], values[i]));
            }
        });
        expected.weights().forEach((name, values) -> {
            float[] found = Objects.requireNonNull(actual.weights().get(name));
            for (int i = 0; i < values.length; i++) {
                weights++;
                outside += excess(found[i], values[i]) > 1 ? 1 : 0;
                worstWeight = Math.max(worstWeight, Math.abs(found[i] - values[i]));
            }
        });
    }

    /** Infinite where a value is not a number. */
    private static double excess(float found, float wanted) {
        double excess = Math.abs(found - wanted) / (ABSOLUTE + RELATIVE * Math.abs(wanted));
        return Double.isNaN(excess) ? Double.POSITIVE_INFINITY : excess;
    }

    /** Gradients of the first step by torch's defaults; losses and weights by what Adam makes of their rounding. */
    public void assertWithinTolerances(Object run) {
        assertThat(worstGradient).as("gradients of the first step, of %s", run).isLessThanOrEqualTo(1);
        assertThat(worstLoss)
                .as("relative difference of the losses, of %s", run)
                .isLessThan(1e-5);
        assertThat(worstWeight)
                .as("difference of the weights, of %s", run)
                .isLessThan(0.1 * RankRun.LEARNING_RATE * steps);
        assertThat(outside)
                .as("weights outside the defaults, of %d of %s", weights, run)
                .isLessThanOrEqualTo((long) Math.ceil(MAY_BE_OUTSIDE * weights));
    }

    void add(Findings other) {
        runs += other.runs;
        steps = other.steps;
        worstGradient = Math.max(worstGradient, other.worstGradient);
        worstLoss = Math.max(worstLoss, other.worstLoss);
        worstWeight = Math.max(worstWeight, other.worstWeight);
        weights += other.weights;
        outside += other.outside;
    }

    String line(String way) {
        return String.format(
                Locale.ROOT,
                "%-19s %5d %9.3f %10.2e %8d of %9d %10.2e%n",
                way,
                runs,
                worstGradient,
                worstLoss,
                outside,
                weights,
                worstWeight);
    }
}
