// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.optimizer;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;
import org.chorale.training.shard.UnitLayout.Segment;

/**
 * The keys below {@code optimizer} that say how a step moves the weights; their meanings stand in chorale-defaults.conf.
 *
 * <p>What only some types read is empty unless it is set, and set for another type it is refused.
 */
public record OptimizerConfig(
        Algorithm type,
        double learningRate,
        Optional<Double> beta1,
        Optional<Double> beta2,
        Optional<Double> epsilon,
        Optional<Double> momentum,
        Optional<Boolean> nesterov,
        double weightDecay,
        double clipNorm,
        Optional<Double> loraPlusRatio,
        List<ParameterGroup> groups) {
    /** PEFT's name of the factor that an adapter begins with as zero. */
    private static final String UP = ".lora_B.";

    /** Which update. */
    public enum Algorithm {
        ADAMW,
        ADAM,
        SGD,
        LION;

        private boolean reads(String key) {
            return switch (key) {
                case "beta1", "beta2" -> this != SGD;
                case "epsilon" -> this == ADAMW || this == ADAM;
                case "momentum", "nesterov" -> this == SGD;
                default -> throw new IllegalArgumentException("every type reads " + key);
            };
        }

        /** As it stands in a configuration. */
        public String word() {
            return name().toLowerCase(Locale.ROOT);
        }

        private static String thatRead(String key) {
            return Arrays.stream(values())
                    .filter(type -> type.reads(key))
                    .map(Algorithm::word)
                    .collect(Collectors.joining(" or "));
        }
    }

    public OptimizerConfig {
        groups = List.copyOf(groups);
        List<String> problems = new ArrayList<>();
        require(problems, learningRate >= 0 && finite(learningRate), "learning-rate", learningRate, "0 or above");
        require(problems, weightDecay >= 0 && finite(weightDecay), "weight-decay", weightDecay, "0 or above");
        require(problems, clipNorm > 0, "clip-norm", clipNorm, "above 0");
        onlyIfRead(problems, type, "beta1", beta1);
        onlyIfRead(problems, type, "beta2", beta2);
        onlyIfRead(problems, type, "epsilon", epsilon);
        onlyIfRead(problems, type, "momentum", momentum);
        onlyIfRead(problems, type, "nesterov", nesterov);
        share(problems, "beta1", beta1);
        share(problems, "beta2", beta2);
        share(problems, "momentum", momentum);
        epsilon.ifPresent(value -> require(problems, value > 0 && finite(value), "epsilon", value, "above 0"));
        loraPlusRatio.ifPresent(
                value -> require(problems, value > 0 && finite(value), "lora-plus-ratio", value, "above 0"));
        if (nesterov.orElse(false) && momentum.orElse(0.0) == 0) {
            problems.add("optimizer.nesterov = true: optimizer.momentum must be above 0");
        }
        for (int i = 0; i < groups.size(); i++) {
            problems.addAll(groups.get(i).problems("optimizer.groups[" + i + "]"));
        }
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("\n", problems));
        }
    }

    /** AdamW with the usual betas and epsilon on all parameters alike. */
    public static OptimizerConfig adamW(double learningRate, double weightDecay, double clipNorm) {
        return new OptimizerConfig(
                Algorithm.ADAMW,
                learningRate,
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                weightDecay,
                clipNorm,
                Optional.empty(),
                List.of());
    }

    /** The first group that matches a parameter has it; the others are trained as the plain keys say. */
    Hyperparameters hyperparameters(Segment parameter) {
        double ratio = isFast(parameter) ? loraPlusRatio.orElse(1.0) : 1;
        return groups.stream()
                .filter(group -> group.matches(parameter.parameter()))
                .findFirst()
                .map(group -> new Hyperparameters(
                        ratio * group.learningRateFactor().orElse(1.0),
                        group.weightDecay().orElse(weightDecay)))
                .orElse(new Hyperparameters(ratio, weightDecay));
    }

    /** LoRA+ trains B faster (Hayou et al. 2024, arXiv 2402.12354), and PEFT with it whatever has one dimension. */
    private static boolean isFast(Segment parameter) {
        return isUp(parameter) || parameter.shape().size() == 1;
    }

    /** Whether a parameter is an adapter's B. */
    static boolean isUp(Segment parameter) {
        return parameter.parameter().contains(UP);
    }

    private static boolean finite(double value) {
        return Double.isFinite(value);
    }

    private static void onlyIfRead(List<String> problems, Algorithm type, String key, Optional<?> value) {
        if (value.isPresent() && !type.reads(key)) {
            problems.add("optimizer.%s = %s: optimizer.type = %s does not read it, only %s does"
                    .formatted(key, value.get(), type.word(), Algorithm.thatRead(key)));
        }
    }

    private static void share(List<String> problems, String key, Optional<Double> value) {
        value.ifPresent(number -> require(problems, number >= 0 && number < 1, key, number, "from 0 to below 1"));
    }

    private static void require(List<String> problems, boolean holds, String key, Number value, String range) {
        if (!holds) {
            problems.add("optimizer.%s = %s: must be %s".formatted(key, value, range));
        }
    }
}
