// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.chorale.model.fp8.Fp8Matrix;
import org.jspecify.annotations.Nullable;

/**
 * The gradient of a linear's outputs, as the parts of its backward read it.
 *
 * @param rows dy, [R, O]; where a {@link Magnitude} scales the outputs, the gradient of what it scales
 * @param scaling of that magnitude; null where there is none
 * @param inner the gradient of what the adapter makes on its way, [R, r]; null where there is none
 * @param fp8 dy in FP8, for dx = dy·W; null where that product has no FP8 factors
 * @param fp8Columns dyᵀ likewise, for dW = dyᵀ·x
 */
record OutputGradient(
        Tensor rows,
        @Nullable Scaling scaling,
        @Nullable Tensor inner,
        @Nullable Fp8Matrix fp8,
        @Nullable Fp8Matrix fp8Columns) {
    /**
     * Of rows that a magnitude scales.
     *
     * @param outer the gradient of the outputs themselves, [R, O]
     * @param lengths n, [O]
     */
    record Scaling(Tensor outer, Tensor lengths) {}

    /** dy of a linear without an adapter. */
    static OutputGradient of(Tensor rows) {
        return new OutputGradient(rows, null, null, null, null);
    }

    /** The gradient of the outputs themselves. */
    Tensor outer() {
        return scaling == null ? rows : scaling.outer;
    }

    OutputGradient with(Fp8Matrix ofRows, @Nullable Fp8Matrix ofColumns) {
        return new OutputGradient(rows, scaling, inner, ofRows, ofColumns);
    }
}
