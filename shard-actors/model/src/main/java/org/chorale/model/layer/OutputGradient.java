// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.chorale.model.fp8.Fp8Matrix;
import org.jspecify.annotations.Nullable;

/**
 * The gradient of a linear's outputs, as the parts of its backward read it.
 *
 * @param rows dy, [R, O]
 * @param inner the gradient of what the adapter makes on its way, [R, r]; null where there is none
 * @param fp8 dy in FP8, for dx = dy·W; null where that product has no FP8 factors
 * @param fp8Columns dyᵀ likewise, for dW = dyᵀ·x
 */
record OutputGradient(
        Tensor rows,
        @Nullable Tensor inner,
        @Nullable Fp8Matrix fp8,
        @Nullable Fp8Matrix fp8Columns) {
    OutputGradient with(Fp8Matrix ofRows, @Nullable Fp8Matrix ofColumns) {
        return new OutputGradient(rows, inner, ofRows, ofColumns);
    }
}
