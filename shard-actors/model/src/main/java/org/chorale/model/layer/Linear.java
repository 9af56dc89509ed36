// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * y = x Wᵀ + b.
 *
 * <p>Rows R, I inputs, O outputs. It saves nothing itself: the layer around it often has its input on the tape already
 * and hands it to the backward.
 */
public final class Linear {
    private final Parameter weight; // [O, I]
    private final @Nullable Parameter bias; // [O]

    public Linear(Parameter weight, @Nullable Parameter bias) {
        this.weight = weight;
        this.bias = bias;
    }

    /** [R, I] → [R, O] */
    public Tensor forward(Tensor x) {
        try (TensorScope scope = new TensorScope()) {
            Tensor transposed = weight.value().t();
            return scope.keep(bias == null ? x.mm(transposed) : addBias(x, transposed, bias));
        }
    }

    /**
     * Adds to the gradients of weight and bias.
     *
     * @param dy [R, O]
     * @param x [R, I], what forward was given
     * @return dx [R, I]
     */
    public Tensor backward(Tensor dy, Tensor x) {
        addToGradients(dy, x);
        return dy.mm(weight.value());
    }

    /** As {@link #backward(Tensor, Tensor)}, but adds dx to what other readers of x have left there. */
    public void backward(Tensor dy, Tensor x, Tensor dxSum) {
        addToGradients(dy, x);
        dxSum.addmm_(dy, weight.value());
    }

    private void addToGradients(Tensor dy, Tensor x) {
        try (TensorScope scope = new TensorScope()) {
            Tensor gradient = weight.gradient();
            if (gradient != null) {
                gradient.addmm_(dy.t(), x);
            }
            if (bias != null) {
                bias.addGradient(dy.sum(0));
            }
        }
    }

    private static Tensor addBias(Tensor x, Tensor transposed, Parameter bias) {
        return torch.addmm(bias.value(), x, transposed);
    }
}
