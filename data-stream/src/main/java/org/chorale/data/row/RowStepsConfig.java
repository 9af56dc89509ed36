// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.row;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * What is done with each row of a source, in this order.
 *
 * @param filter an expression that is true for the rows to keep
 * @param transform users' classes, in order
 * @param map columns by name, each with an expression; none sees what another gives
 * @param select the columns to keep; empty for all
 */
public record RowStepsConfig(
        Optional<String> filter, List<RowClass> transform, Map<String, String> map, List<String> select) {
    /** Nothing. */
    public static final RowStepsConfig NONE = new RowStepsConfig(Optional.empty(), List.of(), Map.of(), List.of());

    public RowStepsConfig {
        transform = List.copyOf(transform);
        map = Map.copyOf(map);
        select = List.copyOf(select);
    }

    /** Whether a row stays as it is. */
    public boolean isEmpty() {
        return equals(NONE);
    }

    /**
     * What is wrong with it, a line each. Users' classes are not looked for: they need to be where the data is read.
     *
     * @param key of the source
     */
    public List<String> problems(String key) {
        List<String> problems = new ArrayList<>();
        collect(problems, () -> filterStep(key));
        collect(problems, () -> mapStep(key));
        Set<String> twice = new HashSet<>();
        select.stream()
                .filter(column -> !twice.add(column))
                .forEach(column -> problems.add("%s.select = %s: has %s twice".formatted(key, select, column)));
        return problems;
    }

    /** Users' classes that cannot be made here, a line each. */
    public List<String> classProblems(String key) {
        List<String> problems = new ArrayList<>();
        for (int i = 0; i < transform.size(); i++) {
            RowClass step = transform.get(i);
            String place = transformKey(key, i);
            collect(problems, () -> Optional.of(step.build(place)));
        }
        return problems;
    }

    /**
     * Compiles the expressions and makes the classes.
     *
     * @throws IllegalArgumentException with a line per problem
     */
    public RowSteps build(String key) {
        List<String> problems = new ArrayList<>(problems(key));
        problems.addAll(classProblems(key));
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("\n", problems));
        }
        List<RowStep> steps = new ArrayList<>();
        filterStep(key).ifPresent(steps::add);
        for (int i = 0; i < transform.size(); i++) {
            steps.add(transform.get(i).build(transformKey(key, i)));
        }
        mapStep(key).ifPresent(steps::add);
        if (!select.isEmpty()) {
            steps.add(new SelectStep(key + ".select", select));
        }
        return new RowSteps(steps);
    }

    private Optional<RowStep> filterStep(String key) {
        return filter.map(text -> new FilterStep(RowExpression.compile(key + ".filter", text), key + ".filter"));
    }

    private Optional<RowStep> mapStep(String key) {
        return map.isEmpty() ? Optional.empty() : Optional.of(MapStep.compile(key + ".map", map));
    }

    private static String transformKey(String key, int index) {
        return "%s.transform[%d]".formatted(key, index);
    }

    private interface Attempt {
        Optional<RowStep> make();
    }

    private static void collect(List<String> problems, Attempt attempt) {
        try {
            Optional<RowStep> unused = attempt.make();
        } catch (IllegalArgumentException e) {
            String.valueOf(e.getMessage()).lines().forEach(problems::add);
        }
    }
}
