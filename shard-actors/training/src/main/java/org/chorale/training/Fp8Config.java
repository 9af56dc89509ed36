// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

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
 */
public record Fp8Config(Scaling scaling, List<String> exclude, List<Integer> excludeLayers) {
    /** What the key {@code fp8.scaling} may hold. */
    public enum Scaling {
        NONE,
        TENSOR,
        ROW
    }

    /** @throws IllegalArgumentException where something is set that nothing reads */
    public Fp8Config {
        if (scaling == Scaling.NONE && !(exclude.isEmpty() && excludeLayers.isEmpty())) {
            throw new IllegalArgumentException(
                    "fp8.exclude or fp8.exclude-layers is set, but fp8.scaling = none: make it tensor or row, or leave them out");
        }
    }

    /** Empty where nothing is FP8. */
    public Optional<Fp8Rule> rule() {
        return switch (scaling) {
            case NONE -> Optional.empty();
            case TENSOR -> Optional.of(new Fp8Rule(Fp8Scaling.TENSOR, exclude, excludeLayers));
            case ROW -> Optional.of(new Fp8Rule(Fp8Scaling.ROW, exclude, excludeLayers));
        };
    }

    /** As it stands in a configuration. */
    public String word() {
        return scaling.name().toLowerCase(Locale.ROOT);
    }
}
