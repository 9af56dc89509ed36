// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * y = x Wᵀ + b, and what an adapter adds to it.
 *
 * <p>Rows R, I inputs, O outputs. Its input is handed to the backward by the layer around it, which
 * often has it on the tape already.
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
     * [R, I] → [R, O]; saves nothing.
     *
     * @param dropout of the rows of x, for the adapter; null where nothing is dropped
     */
    public Tensor forward(Tensor x, @Nullable DropoutKeys dropout) {
        try (Tape dropped = new Tape()) {
            return forward(x, dropout, dropped);
        }
    }

    /** Likewise, but saves what the adapter makes of x on its way, [R, r]; nothing where there is none. */
    Tensor forward(Tensor x, @Nullable DropoutKeys dropout, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Tensor transposed = weight.value().t();
            Tensor y;
            if (adapter != null) { // first, so that the large product adds itself to it: a pass over y less
                Tensor inner = adapter.inner(x, dropout);
                tape.push(inner);
                y = torch.empty(new long[] {x.size(0), outputs()}, x.options(), null);
                adapter.raise(inner, y);
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
     * The backward of a forward that saved nothing. Adds to the gradients of weight, bias and adapter.
     *
     * @param dy [R, O]
     * @param x [R, I], what forward was given
     * @param dropout what forward was given
     * @return dx [R, I]
     */
    public Tensor backward(Tensor dy, Tensor x, @Nullable DropoutKeys dropout) {
        try (TensorScope scope = new TensorScope()) {
            return scope.keep(backward(dy, x, dropout, inner(x, dropout)));
        }
    }

    /** Likewise, of a forward onto a tape. */
    Tensor backward(Tensor dy, Tensor x, @Nullable DropoutKeys dropout, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            return scope.keep(backward(dy, x, dropout, savedInner(tape)));
        }
    }

    private Tensor backward(Tensor dy, Tensor x, @Nullable DropoutKeys dropout, @Nullable Tensor inner) {
        Tensor dInner = innerGradient(dy);
        addToGradients(dy, dInner, x, inner, dropout);
        return inputGradient(dy, dInner, dropout);
    }

    /** What the adapter makes of x on its way, [R, r]; null where there is none. */
    @Nullable
    Tensor inner(Tensor x, @Nullable DropoutKeys dropout) {
        return adapter == null ? null : adapter.inner(x, dropout);
    }

    /** Likewise, as a forward has saved it. */
    @Nullable
    Tensor savedInner(Tape tape) {
        return adapter == null ? null : tape.pop();
    }

    /** The gradient of {@link #inner}, of which all parts of a backward make use. */
    @Nullable
    Tensor innerGradient(Tensor dy) {
        return adapter == null ? null : adapter.innerGradient(dy);
    }

    /** The part of a backward that does not read x: dx, [R, I]. */
    Tensor inputGradient(Tensor dy, @Nullable Tensor dInner, @Nullable DropoutKeys dropout) {
        if (adapter == null || dInner == null) {
            return Matmul.of(dy, weight.value());
        }
        Tensor dx = adapter.throughDown(dInner, dropout);
        Matmul.addTo(dx, dy, weight.value());
        return dx;
    }

    /** Likewise, but adds dx to what other readers of x have left there. */
    void addInputGradient(Tensor dy, @Nullable Tensor dInner, @Nullable DropoutKeys dropout, Tensor dx) {
        Matmul.addTo(dx, dy, weight.value());
        if (adapter != null && dInner != null) {
            adapter.addThroughDown(dInner, dropout, dx);
        }
    }

    /** The part of a backward that reads x: adds to the gradients of weight, bias and adapter. */
    void addToGradients(
            Tensor dy,
            @Nullable Tensor dInner,
            Tensor x,
            @Nullable Tensor inner,
            @Nullable DropoutKeys dropout) {
        weight.addGradientProduct(dy, x, 1);
        if (bias != null) {
            bias.addGradientOfRows(dy);
        }
        if (adapter != null && inner != null && dInner != null) {
            adapter.addToGradients(dy, dInner, x, inner, dropout);
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
}
