// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.optimizer;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.chorale.model.outline.NamePattern;

/**
 * One of {@code optimizer.groups}: parameters that are trained otherwise than the rest.
 *
 * @param match patterns of published parameter names; any of them may match
 * @param learningRateFactor times the learning rate of every step; where empty, 1
 * @param weightDecay where empty, {@code optimizer.weight-decay}
 */
public record ParameterGroup(List<String> match, Optional<Double> learningRateFactor, Optional<Double> weightDecay) {
    public ParameterGroup {
        match = List.copyOf(match);
    }

    /** What is wrong, a line each; only {@link OptimizerConfig} knows the place in the list that lines begin with. */
    List<String> problems(String place) {
        List<String> problems = new ArrayList<>();
        if (match.isEmpty()) {
            problems.add(place + ".match = []: must hold at least one pattern of parameter names");
        }
        for (String pattern : match) {
            try {
                NamePattern.glob(pattern);
            } catch (IllegalArgumentException e) {
                problems.add(place + ".match: " + e.getMessage());
            }
        }
        notNegative(problems, place + ".learning-rate-factor", learningRateFactor);
        notNegative(problems, place + ".weight-decay", weightDecay);
        return problems;
    }

    boolean matches(String parameter) {
        return match.stream().map(NamePattern::glob).anyMatch(pattern -> pattern.matches(parameter));
    }

    private static void notNegative(List<String> problems, String key, Optional<Double> value) {
        value.filter(number -> number < 0)
                .ifPresent(number -> problems.add(key + " = " + number + ": must be 0 or above"));
    }
}
