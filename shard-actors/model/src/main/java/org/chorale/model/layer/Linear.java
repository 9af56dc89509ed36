// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.model.fp8.Fp8Scaling;
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
    private final @Nullable Fp8Products fp8; // null where the factors stay in the dtype of the computation

    public Linear(Parameter weight, @Nullable Parameter bias) {
        this(weight, bias, null);
    }

    /** @param adapter added to what weight and bias give */
    public Linear(Parameter weight, @Nullable Parameter bias, @Nullable LowRank adapter) {
        this(weight, bias, adapter, null);
    }

    /**
     * @param adapter added to what weight and bias give
     * @param scaling of FP8 factors in the weight's products, not the adapter's; then the dtype of the computation is bf16
     */
    public Linear(Parameter weight, @Nullable Parameter bias, @Nullable LowRank adapter, @Nullable Fp8Scaling scaling) {
        this.weight = weight;
        this.bias = bias;
        this.adapter = adapter;
        this.fp8 = scaling == null ? null : new Fp8Products(scaling, weight);
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
            if (adapter == null) {
                return scope.keep(product(x));
            }
            Tensor inner = adapter.inner(x, dropout);
            tape.push(inner);
            Tensor y = torch.empty(new long[] {x.size(0), outputs()}, x.options(), null);
            adapter.raise(inner, y); // first, so that the large product adds itself to it: a pass over y less
            addProduct(y, x);
            addBias(y);
            return scope.keep(y);
        }
    }

    /** x·Wᵀ + b */
    private Tensor product(Tensor x) {
        Tensor w = weight.value();
        if (fp8 == null) {
            return bias == null ? Matmul.of(x, w.t()) : Matmul.of(x, w.t(), bias.value());
        }
        Tensor y = fp8.forward(x, w);
        return bias == null ? y : y.add_(bias.value());
    }

    /** y += b, [R, O] */
    void addBias(Tensor y) {
        if (bias != null) {
            y.add_(bias.value());
        }
    }

    /** y += x·Wᵀ */
    private void addProduct(Tensor y, Tensor x) {
        if (fp8 == null) {
            Matmul.addTo(y, x, weight.value().t());
        } else {
            y.add_(fp8.forward(x, weight.value()));
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
        OutputGradient read = outputGradient(dy);
        addToGradients(read, x, inner, dropout);
        return inputGradient(read, dropout);
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

    /** The gradient of the outputs, [R, O], as all parts of a backward read it; in the open scope. */
    OutputGradient outputGradient(Tensor dy) {
        Tensor dInner = adapter == null ? null : adapter.innerGradient(dy);
        OutputGradient plain = new OutputGradient(dy, dInner, null, null);
        return fp8 == null ? plain : fp8.quantised(plain, weight.trainable());
    }

    /** The part of a backward that does not read x: dx, [R, I]. */
    Tensor inputGradient(OutputGradient dy, @Nullable DropoutKeys dropout) {
        Tensor dInner = dy.inner();
        if (adapter == null || dInner == null) {
            return fp8 == null ? Matmul.of(dy.rows(), weight.value()) : fp8.inputGradient(dy, weight.value());
        }
        Tensor dx = adapter.throughDown(dInner, dropout);
        addThroughWeight(dy, dx);
        return dx;
    }

    /** Likewise, but adds dx to what other readers of x have left there. */
    void addInputGradient(OutputGradient dy, @Nullable DropoutKeys dropout, Tensor dx) {
        addThroughWeight(dy, dx);
        Tensor dInner = dy.inner();
        if (adapter != null && dInner != null) {
            adapter.addThroughDown(dInner, dropout, dx);
        }
    }

    /** dx += dy·W */
    private void addThroughWeight(OutputGradient dy, Tensor dx) {
        if (fp8 == null) {
            Matmul.addTo(dx, dy.rows(), weight.value());
        } else {
            try (TensorScope scope = new TensorScope()) {
                dx.add_(fp8.inputGradient(dy, weight.value()));
            }
        }
    }

    /** The part of a backward that reads x: adds to the gradients of weight, bias and adapter. */
    void addToGradients(OutputGradient dy, Tensor x, @Nullable Tensor inner, @Nullable DropoutKeys dropout) {
        addToWeightGradient(dy, x);
        addToBiasGradient(dy.rows());
        Tensor dInner = dy.inner();
        if (adapter != null && inner != null && dInner != null) {
            adapter.addToGradients(dy.rows(), dInner, x, inner, dropout);
        }
    }

    /** @param dy [R, O] */
    void addToBiasGradient(Tensor dy) {
        if (bias != null) {
            bias.addGradientOfRows(dy);
        }
    }

    private void addToWeightGradient(OutputGradient dy, Tensor x) {
        if (fp8 == null) {
            weight.addGradientProduct(dy.rows(), x, 1);
        } else if (weight.trainable()) {
            try (TensorScope scope = new TensorScope()) {
                weight.addGradient(fp8.weightGradient(dy, x));
            }
        }
    }

    Parameter weight() {
        return weight;
    }

    /** Null where the factors stay in the dtype of the computation. */
    @Nullable
    Fp8Scaling fp8Scaling() {
        return fp8 == null ? null : fp8.scaling();
    }

    @Nullable
    LowRank adapter() {
        return adapter;
    }

    /** Whether its adapter drops some of its inputs. */
    boolean drops(@Nullable DropoutKeys keys) {
        return adapter != null && adapter.drops(keys);
    }

    /** Columns of what a forward saves onto a tape: r of its adapter. */
    long savedWidth() {
        return adapter == null ? 0 : adapter.rank();
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
