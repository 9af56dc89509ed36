// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.chorale.model.kernel.RmsNormKernel;
import org.chorale.model.kernel.RmsNormKernel.Normed;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * y = w · x / √(mean(x²) + ε), over the last dimension (Zhang and Sennrich 2019, arXiv 1910.07467).
 *
 * <p>R rows, D model width. A backward needs x and the scale of each of its rows, not y. Alone, a norm saves them on the
 * tape; a block saves them itself, above what the layer behind the norm has saved, because that layer's backward reads
 * y {@link #again}.
 */
public final class RmsNorm {
    private final Parameter weight; // [D]
    private final double epsilon;

    public RmsNorm(Parameter weight, double epsilon) {
        this.weight = weight;
        this.epsilon = epsilon;
    }

    /** Whether a backward has anything to do but hand the gradient on. */
    public boolean trainable() {
        return weight.trainable();
    }

    /** [R, D] → [R, D]; saves its input and the scales of its rows. */
    public Tensor forward(Tensor x, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Normed normed = normalise(x);
            tape.push(x, normed.scale());
            return scope.keep(normed.rows());
        }
    }

    /** dy [R, D] → dx [R, D] */
    public Tensor backward(Tensor dy, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Tensor scale = tape.pop();
            return scope.keep(backward(dy, tape.pop(), scale, null));
        }
    }

    /** As {@link #forward}, of x [R, D], but saves nothing. */
    public Normed normalise(Tensor x) {
        return kernel(x).forward(x, weight.value(), epsilon);
    }

    /** Adds to a sum and normalises what it is then, in one pass: [R, D] both. */
    public Normed addAndNormalise(Tensor sum, Tensor addend) {
        return kernel(sum).addAndForward(sum, addend, weight.value(), epsilon);
    }

    /** What normalising x, [R, D], gave. */
    public Tensor again(Tensor x, Tensor scale) {
        return kernel(x).again(x, scale, weight.value());
    }

    /**
     * The backward of a norm that saved nothing.
     *
     * @param dy [R, D]
     * @param residual what x has for a gradient by the way around the norm, added to the result; [R, D]
     * @return dx [R, D]
     */
    public Tensor backward(Tensor dy, Tensor x, Tensor scale, @Nullable Tensor residual) {
        return kernel(x).backward(dy, x, scale, weight.value(), residual, weight.gradient());
    }

    private RmsNormKernel kernel(Tensor x) {
        return RmsNormKernel.of(x, weight.value());
    }
}
