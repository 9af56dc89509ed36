// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * Normalises rows. A backward needs x and what the forward found of each row, not y.
 *
 * <p>R rows, D width.
 */
public sealed interface Norm permits RmsNorm, LayerNorm {
    /**
     * What a forward gives.
     *
     * @param rows y, [R, D]
     * @param statistics what a backward needs to know of the rows, [R or 2R, 1], fp32 at least
     */
    record Normed(Tensor rows, Tensor statistics) {}

    /** Whether a backward has anything to do but hand the gradient on. */
    boolean trainable();

    /** Of x [R, D]. Saves nothing. */
    Normed normalise(Tensor x);

    /** Adds to a sum and normalises what it is then: [R, D] both. */
    default Normed addAndNormalise(Tensor sum, Tensor addend) {
        sum.add_(addend);
        return normalise(sum);
    }

    /**
     * The backward of a norm that saved nothing.
     *
     * @param dy [R, D]
     * @param residual what x has for a gradient by the way around the norm, added to the result; [R, D]
     * @return dx [R, D]
     */
    Tensor backward(Tensor dy, Tensor x, Tensor statistics, @Nullable Tensor residual);

    /** [R, D] → [R, D]; saves its input and what it found of its rows. */
    default Tensor forward(Tensor x, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Normed normed = normalise(x);
            tape.push(x, normed.statistics());
            return scope.keep(normed.rows());
        }
    }

    /** dy [R, D] → dx [R, D] */
    default Tensor backward(Tensor dy, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Tensor statistics = tape.pop();
            return scope.keep(backward(dy, tape.pop(), statistics, null));
        }
    }
}
