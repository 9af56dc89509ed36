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
 * <p>Rows R, I inputs, O outputs, r rank. Its input is handed to the backward by the layer around it, which
 * often has it on the tape already.
 */
public final class Linear {
    private final Parameter weight; // [O, I]
    private final @Nullable Parameter bias; // [O]
    private final @Nullable LowRank adapter;
    private final @Nullable Magnitude magnitude; // of the adapter
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
        this.magnitude = adapter == null ? null : adapter.magnitude();
        this.fp8 = scaling == null ? null : new Fp8Products(scaling, weight);
        if (magnitude != null && weight.trainable()) {
            throw new IllegalArgumentException(
                    weight.name() + ": its rows' lengths are trained apart, so that itself must be frozen");
        }
        if (magnitude != null && fp8 != null && adapter != null && adapter.dropsInTraining()) {
            throw new IllegalArgumentException(
                    weight.name() + ": FP8 factors, a magnitude and dropout at once are not supported");
        }
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

    /** Likewise, but saves what the adapter makes of x on its way: {@link #savedWidth} columns, none without an adapter. */
    Tensor forward(Tensor x, @Nullable DropoutKeys dropout, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            if (adapter == null) {
                return scope.keep(product(x));
            }
            Tensor y =
                    magnitude == null ? plain(adapter, x, dropout, tape) : scaled(magnitude, adapter, x, dropout, tape);
            addBias(y);
            return scope.keep(y);
        }
    }

    private Tensor plain(LowRank adapted, Tensor x, @Nullable DropoutKeys dropout, Tape tape) {
        Tensor inner = adapted.inner(x, dropout);
        tape.push(inner);
        return sum(adapted, x, inner);
    }

    /** As PEFT has it, the magnitude scales what is not dropped, and the weight alone gets the rest of x. */
    private Tensor scaled(Magnitude by, LowRank adapted, Tensor x, @Nullable DropoutKeys dropout, Tape tape) {
        Tensor read = adapted.dropped(x, dropout);
        Tensor inner = adapted.inner(read, null);
        Tensor sum = sum(adapted, read, inner);
        tape.push(inner, sum);
        Tensor y = by.scaled(sum, by.lengths(weight.value(), adapted));
        if (adapted.drops(dropout)) {
            addProduct(y, x.sub(read));
        }
        return y;
    }

    /** x·Wᵀ and what the adapter adds to it, [R, O] */
    private Tensor sum(LowRank adapted, Tensor x, Tensor inner) {
        Tensor y = torch.empty(new long[] {x.size(0), outputs()}, x.options(), null);
        adapted.raise(inner, y); // first, so that the large product adds itself to it: a pass over y less
        addProduct(y, x);
        return y;
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
            return scope.keep(backward(dy, x, dropout, again(x, dropout)));
        }
    }

    /** Likewise, of a forward onto a tape. */
    Tensor backward(Tensor dy, Tensor x, @Nullable DropoutKeys dropout, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            return scope.keep(backward(dy, x, dropout, saved(tape)));
        }
    }

    private Tensor backward(Tensor dy, Tensor x, @Nullable DropoutKeys dropout, @Nullable AdaptedRows adapted) {
        OutputGradient read = outputGradient(dy);
        addToGradients(read, x, adapted, dropout);
        return inputGradient(read, dropout);
    }

    /** What the adapter makes of x on its way, in the open scope; null where there is none. */
    @Nullable
    AdaptedRows again(Tensor x, @Nullable DropoutKeys dropout) {
        if (adapter == null) {
            return null;
        }
        if (magnitude == null) {
            return new AdaptedRows(adapter.inner(x, dropout), null);
        }
        Tensor read = adapter.dropped(x, dropout);
        Tensor inner = adapter.inner(read, null);
        return new AdaptedRows(inner, sum(adapter, read, inner));
    }

    /** Likewise, as a forward has saved it. */
    @Nullable
    AdaptedRows saved(Tape tape) {
        if (adapter == null) {
            return null;
        }
        Tensor sum = magnitude == null ? null : tape.pop();
        return new AdaptedRows(tape.pop(), sum);
    }

    /** The gradient of the outputs, [R, O], as all parts of a backward read it; in the open scope. */
    OutputGradient outputGradient(Tensor dy) {
        OutputGradient plain = adapter == null ? OutputGradient.of(dy) : outputGradient(adapter, dy);
        return fp8 == null ? plain : fp8.quantised(plain, weight.trainable());
    }

    private OutputGradient outputGradient(LowRank adapted, Tensor dy) {
        if (magnitude == null) {
            return new OutputGradient(dy, null, adapted.innerGradient(dy), null, null);
        }
        Tensor lengths = magnitude.lengths(weight.value(), adapted);
        Tensor dSum = magnitude.scaled(dy, lengths);
        return new OutputGradient(
                dSum, new OutputGradient.Scaling(dy, lengths), adapted.innerGradient(dSum), null, null);
    }

    /** The part of a backward that does not read x: dx, [R, I]. */
    Tensor inputGradient(OutputGradient dy, @Nullable DropoutKeys dropout) {
        Tensor dInner = dy.inner();
        if (adapter == null || dInner == null) {
            return fp8 == null ? Matmul.of(dy.rows(), weight.value()) : fp8.inputGradient(dy, weight.value());
        }
        if (dropsUnderMagnitude(dropout)) {
            Tensor dx = Matmul.of(dy.outer(), weight.value());
            return dx.add_(throughDropped(adapter, dy, dInner, dropout));
        }
        Tensor dx = adapter.throughDown(dInner, dropout);
        addThroughWeight(dy, dx);
        return dx;
    }

    private boolean dropsUnderMagnitude(@Nullable DropoutKeys dropout) {
        return adapter != null && magnitude != null && adapter.drops(dropout);
    }

    /** What goes back through drop(x) beside the dy·W of all of x: what the magnitude made more of it, and the adapter's. */
    private Tensor throughDropped(LowRank adapted, OutputGradient dy, Tensor dInner, @Nullable DropoutKeys dropout) {
        Tensor dRead = Matmul.of(dy.rows().sub(dy.outer()), weight.value());
        adapted.addThroughDown(dInner, null, dRead);
        return adapted.dropped(dRead, dropout);
    }

    /** Likewise, but adds dx to what other readers of x have left there. */
    void addInputGradient(OutputGradient dy, @Nullable DropoutKeys dropout, Tensor dx) {
        if (dropsUnderMagnitude(dropout)) {
            dx.add_(inputGradient(dy, dropout));
            return;
        }
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
    void addToGradients(OutputGradient dy, Tensor x, @Nullable AdaptedRows adapted, @Nullable DropoutKeys dropout) {
        addToWeightGradient(dy, x);
        addToBiasGradient(dy.outer());
        Tensor dInner = dy.inner();
        if (adapter != null && adapted != null && dInner != null) {
            adapter.addToGradients(dy.rows(), dInner, x, adapted.inner(), dropout);
            addToMagnitude(dy.scaling(), adapted.sum());
        }
    }

    private void addToMagnitude(OutputGradient.@Nullable Scaling scaling, @Nullable Tensor sum) {
        if (magnitude != null && scaling != null && sum != null) {
            magnitude.addGradient(scaling.outer(), sum, scaling.lengths());
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

    /** Columns of what a forward saves onto a tape: r of its adapter, and all outputs that a magnitude scales. */
    long savedWidth() {
        return (adapter == null ? 0 : adapter.rank()) + (magnitude == null ? 0 : magnitude.outputs());
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
