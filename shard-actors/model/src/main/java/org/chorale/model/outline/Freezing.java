// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.outline;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.chorale.model.outline.UnitOutline.ParameterOutline;

/**
 * Which parameters a run leaves as they are, by globs over their published names.
 *
 * @param freeze parameters that are not trained
 * @param trainOnly where there are any: no others are trained
 */
public record Freezing(List<NamePattern> freeze, List<NamePattern> trainOnly) {
    /** Everything is trained that the model allows. */
    public static final Freezing NONE = new Freezing(List.of(), List.of());

    public Freezing {
        freeze = List.copyOf(freeze);
        trainOnly = List.copyOf(trainOnly);
    }

    /**
     * The same units with fewer parameters trained; what is frozen already stays so.
     *
     * @throws IllegalArgumentException where a pattern matches no parameter or nothing is left to train, a line each
     */
    public List<UnitOutline> apply(List<UnitOutline> units) {
        List<String> names = parameters(units).map(ParameterOutline::name).toList();
        List<String> problems = new ArrayList<>();
        freeze.forEach(pattern -> requireMatch("model.freeze", pattern, names, problems));
        trainOnly.forEach(pattern -> requireMatch("model.train-only", pattern, names, problems));
        List<UnitOutline> frozen = units.stream()
                .map(unit -> new UnitOutline(
                        unit.name(),
                        unit.parameters().stream()
                                .map(parameter -> isFrozen(parameter.name()) ? parameter.frozen() : parameter)
                                .toList()))
                .toList();
        if (problems.isEmpty() && parameters(frozen).noneMatch(ParameterOutline::trainable)) {
            problems.add("model.freeze and model.train-only leave no parameter to train");
        }
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("\n", problems));
        }
        return frozen;
    }

    private boolean isFrozen(String name) {
        return freeze.stream().anyMatch(pattern -> pattern.matches(name))
                || !(trainOnly.isEmpty() || trainOnly.stream().anyMatch(pattern -> pattern.matches(name)));
    }

    private static void requireMatch(String key, NamePattern pattern, List<String> names, List<String> problems) {
        if (names.stream().noneMatch(pattern::matches)) {
            problems.add("%s = %s: matches no parameter; the nearest is %s"
                    .formatted(key, pattern, NearestName.to(pattern.toString(), names)));
        }
    }

    private static Stream<ParameterOutline> parameters(List<UnitOutline> units) {
        return units.stream().flatMap(unit -> unit.parameters().stream());
    }
}
