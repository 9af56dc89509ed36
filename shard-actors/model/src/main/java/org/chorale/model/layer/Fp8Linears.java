// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

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
}
