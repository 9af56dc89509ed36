// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import java.util.Set;
import org.chorale.model.fp8.Fp8Scaling;
import org.jspecify.annotations.Nullable;

/** Which linears of a model multiply FP8 factors. */
@FunctionalInterface
public interface Fp8Linears {
    /** A model in one dtype. */
    Fp8Linears NONE = module -> null;

    /**
     * @param module a linear's published name, such as {@code model.layers.0.self_attn.q_proj}
     * @return null where its factors stay in the dtype of the computation
     */
    @Nullable
    Fp8Scaling of(String module);

    /** Whether a parameter is the weight of one of them, and ranks that hold parts of it give each other those in FP8. */
    default boolean isGathered(String parameter) {
        return false;
    }

    /**
     * Those that a rule has chosen.
     *
     * @param modules their published names
     */
    record Chosen(Set<String> modules, Fp8Scaling scaling, boolean gathered) implements Fp8Linears {
        private static final String WEIGHT = ".weight";

        public Chosen {
            modules = Set.copyOf(modules);
        }

        @Override
        public @Nullable Fp8Scaling of(String module) {
            return modules.contains(module) ? scaling : null;
        }

        @Override
        public boolean isGathered(String parameter) {
            return gathered
                    && parameter.endsWith(WEIGHT)
                    && modules.contains(parameter.substring(0, parameter.length() - WEIGHT.length()));
        }
    }
}
