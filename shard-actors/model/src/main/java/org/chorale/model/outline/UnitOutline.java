// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.outline;

import java.util.Arrays;
import java.util.List;

/**
 * A sharding unit as the model's configuration describes it.
 *
 * @param name of the unit, such as {@code model.layers.3}
 * @param parameters in the order in which the unit's flat buffer holds them
 */
public record UnitOutline(String name, List<ParameterOutline> parameters) {
    public UnitOutline {
        parameters = List.copyOf(parameters);
    }

    /**
     * A parameter.
     *
     * @param name the published one
     * @param trainable whether it has a gradient
     */
    public record ParameterOutline(String name, List<Long> shape, boolean trainable) {
        /** A parameter that is trained. */
        public static ParameterOutline of(String name, long... shape) {
            return new ParameterOutline(name, Arrays.stream(shape).boxed().toList(), true);
        }

        /** The same parameter, kept as it is by every step. */
        public ParameterOutline frozen() {
            return new ParameterOutline(name, shape, false);
        }

        /** Numbers in it. */
        public long elements() {
            return shape.stream().reduce(1L, Math::multiplyExact);
        }
    }
}
