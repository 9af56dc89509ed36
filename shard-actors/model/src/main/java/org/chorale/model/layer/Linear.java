// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * y = x Wᵀ + b, and what an adapter adds to it.
 *
 * <p>Rows R, I inputs, O outputs. It saves nothing itself: the layer around it often has its input on the tape already
 * and hands it to the backward.
 */
public final class Linear {
    private final Parameter weight; // [O, I]
    private final @Nullable Parameter bias; // [O]
    private final @Nullable LowRank adapter;

    public Linear(Parameter weight, @Nullable Parameter bias) {
        this(weight, bias, null);
    }

    /** @param adapter added to what weight and bias give */
    public Linear(Parameter weight, @Nullable Parameter bias, @Nullable LowRank adapter) {
        this.weight = weight;
        this.bias = bias;
        this.adapter = adapter;
    }

    /** [R, I] → [R, O], of an evaluation: nothing is dropped. */
    public Tensor forward(Tensor x) {
        return forward(x, null);
    }

    /**
     * [R, I] → [R, O]
     *
     * @param dropout of the rows of x, for the adapter; null where nothing is dropped
     */
    public Tensor forward(Tensor x, @Nullable DropoutKeys dropout) {
        try (TensorScope scope = new TensorScope()) {
            Tensor transposed = weight.value().t();
            Tensor y;
            if (adapter != null) { // first, so that the large product adds itself to it: a pass over y less
                y = adapter.of(x, dropout);
                Matmul.addTo(y, x, transposed);
                if (bias != null) {
                    y.add_(bias.value());
                }
            } else {
                y = bias == null ? Matmul.of(x, transposed) : Matmul.of(x, transposed, bias.value());
            }
            return scope.keep(y);
        }
    }

    /** As {@link #backward(Tensor, Tensor, DropoutKeys)}, of an evaluation. */
    public Tensor backward(Tensor dy, Tensor x) {
        return backward(dy, x, (DropoutKeys) null);
    }

    /**
     * Adds to the gradients of weight, bias and adapter.
     *
     * @param dy [R, O]
     * @param x [R, I], what forward was given
     * @param dropout what forward was given
     * @return dx [R, I]
     */
    public Tensor backward(Tensor dy, Tensor x, @Nullable DropoutKeys dropout) {
        addToOwnGradients(dy, x);
        if (adapter == null) {
            return Matmul.of(dy, weight.value());
        }
        Tensor dx = adapter.backward(dy, x, dropout);
        Matmul.addTo(dx, dy, weight.value());
        return dx;
    }

    /** The half of a backward that does not read x; {@link #addToGradients} is the other. Returns dx, [R, I]. */
    Tensor inputGradient(Tensor dy, @Nullable DropoutKeys dropout) {
        if (adapter == null) {
            return Matmul.of(dy, weight.value());
        }
        Tensor dx = adapter.inputGradient(dy, dropout);
        Matmul.addTo(dx, dy, weight.value());
        return dx;
    }

    /** The half of a backward that reads x: adds to the gradients of weight, bias and adapter. */
    void addToGradients(Tensor dy, Tensor x, @Nullable DropoutKeys dropout) {
        addToOwnGradients(dy, x);
        if (adapter != null) {
            adapter.addToGradients(dy, x, dropout);
        }
    }

    /** As {@link #backward(Tensor, Tensor, DropoutKeys)}, but adds dx to what other readers of x have left there. */
    public void backward(Tensor dy, Tensor x, @Nullable DropoutKeys dropout, Tensor dxSum) {
        addToOwnGradients(dy, x);
        Matmul.addTo(dxSum, dy, weight.value());
        if (adapter != null) {
            adapter.backward(dy, x, dropout, dxSum);
        }
    }

    Parameter weight() {
        return weight;
    }

    boolean hasBias() {
        return bias != null;
    }

    @Nullable
    LowRank adapter() {
        return adapter;
    }

    /** O. */
    long outputs() {
        return weight.value().size(0);
    }

    /** Whether a backward has anything to do but hand the gradient on. */
    boolean trainable() {
        return weight.trainable() || (bias != null && bias.trainable()) || (adapter != null && adapter.trainable());
    }

    private void addToOwnGradients(Tensor dy, Tensor x) {
        weight.addGradientProduct(dy, x, 1);
        if (bias != null) {
            bias.addGradientOfRows(dy);
        }
    }
}
