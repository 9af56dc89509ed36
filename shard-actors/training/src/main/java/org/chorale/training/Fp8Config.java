// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.chorale.model.fp8.Fp8Rule;
import org.chorale.model.fp8.Fp8Scaling;

/**
 * The keys below {@code fp8}; their meanings stand in chorale-defaults.conf.
 *
 * @param exclude linears by the ends of their names
 * @param excludeLayers numbers of layers
 * @param gather whether ranks that hold parts of weights give each other those in FP8
 */
public record Fp8Config(Scaling scaling, List<String> exclude, List<Integer> excludeLayers, boolean gather) {
    /** What the key {@code fp8.scaling} may hold. */
    public enum Scaling {
        NONE,
        TENSOR,
        ROW
    }

    /** @throws IllegalArgumentException where something is set that nothing reads, or that is not possible: a line each */
    public Fp8Config {
        List<String> problems = new ArrayList<>();
        if (scaling == Scaling.NONE && !(exclude.isEmpty() && excludeLayers.isEmpty())) {
            problems.add("fp8.exclude or fp8.exclude-layers is set, but fp8.scaling = none: make it tensor or row, or"
                    + " leave them out");
        }
        if (gather && scaling == Scaling.NONE) {
            problems.add("fp8.gather = true: nothing is read in FP8 (fp8.scaling = none); make that tensor, or leave"
                    + " fp8.gather out");
        }
        if (gather && scaling == Scaling.ROW) {
            problems.add("fp8.gather = true: with fp8.scaling = row a weight's transpose has other scales, which only"
                    + " its bf16 values tell; make that tensor, or leave fp8.gather out");
        }
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("\n", problems));
        }
    }

    /** Empty where nothing is FP8. */
    public Optional<Fp8Rule> rule() {
        return switch (scaling) {
            case NONE -> Optional.empty();
            case TENSOR -> Optional.of(new Fp8Rule(Fp8Scaling.TENSOR, exclude, excludeLayers, gather));
            case ROW -> Optional.of(new Fp8Rule(Fp8Scaling.ROW, exclude, excludeLayers));
        };
    }

    /** As it stands in a configuration. */
    public String word() {
        return scaling.name().toLowerCase(Locale.ROOT);
    }
}
