// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.kernel;

import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * y = w · x̂ with x̂ = x · scale and scale = 1 / √(mean(x²) + ε), row by row, in fp32 at least; x̂ is rounded to the dtype
 * of x before it is weighted, as Transformers' Llama does it.
 *
 * <p>R rows, D model width. A backward computes x̂ again from x and scale.
 */
public sealed interface RmsNormKernel permits FusedRmsNorm, AtenRmsNorm {
    /**
     * @param rows y, [R, D]
     * @param scale [R, 1], fp32 at least
     */
    record Normed(Tensor rows, Tensor scale) {}

    /** The fused one for contiguous rows of fp32, bf16 or fp16 on a GPU, no wider than 32,768; else ATen's. */
    static RmsNormKernel of(Tensor x, Tensor weight) {
        return FusedRmsNorm.takes(x, weight) ? FusedRmsNorm.INSTANCE : twin();
    }

    /** The reference, which takes everything. */
    static RmsNormKernel twin() {
        return AtenRmsNorm.INSTANCE;
    }

    /** Of x [R, D]. */
    Normed forward(Tensor x, Tensor weight, double epsilon);

    /** Adds to a sum, [R, D] both, and normalises what it is then. */
    Normed addAndForward(Tensor sum, Tensor addend, Tensor weight, double epsilon);

    /**
     * dx = scale (w·dy − x̂ mean(w·dy·x̂)) + residual, rounded once.
     *
     * @param residual gradient of x by another way, [R, D]
     * @param weightGradient to which Σ dy·x̂ is added, [D]; null where the weight is frozen
     * @return [R, D]
     */
    Tensor backward(
            Tensor dy,
            Tensor x,
            Tensor scale,
            Tensor weight,
            @Nullable Tensor residual,
            @Nullable Tensor weightGradient);
}
