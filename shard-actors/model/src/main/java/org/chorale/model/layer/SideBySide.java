// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Function;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.chorale.model.fp8.Fp8Scaling;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * Linears that read the same rows, as one: query, key and value; gate and up. What they give lies side by side.
 *
 * <p>Rows R, I inputs, O outputs of all together, r rank of all adapters together. Where their weights follow each other
 * in memory, as they do in a flat buffer, one product serves all, forward and backward. Their adapters read x once
 * between them, and what they add is there before the product, which adds itself to it: a pass over y and one over dx
 * less. Biases are added part by part. Where none of that is so (magnitudes, dropout that is keyed by the layer), each linear
 * is computed by itself.
 */
public final class SideBySide {
    private final List<Linear> linears;
    private final @Nullable Fp8Products fp8; // of all as one; null where their factors stay in the computation's dtype
    private final boolean uniform; // all are computed alike

    public SideBySide(Linear... linears) {
        this.linears = List.of(linears);
        Fp8Scaling scaling = linears[0].fp8Scaling();
        this.uniform = this.linears.stream().allMatch(linear -> linear.fp8Scaling() == scaling);
        this.fp8 = scaling == null || !uniform ? null : new Fp8Products(scaling, linears[0].weight());
        if (fp8 != null && !isApartInFp8()) {
            Parameter.scaleTogether(weights());
        }
    }

    private List<Parameter> weights() {
        return linears.stream().map(Linear::weight).toList();
    }

    List<Linear> linears() {
        return linears;
    }

    boolean trainable() {
        return linears.stream().anyMatch(Linear::trainable);
    }

    /** Whether any adapter drops some of its inputs. */
    boolean drops(@Nullable DropoutKeys keys) {
        return adapters().stream().anyMatch(adapter -> adapter.drops(keys));
    }

    /** Columns of what a forward saves. */
    long savedWidth() {
        return linears.stream().mapToLong(Linear::savedWidth).sum();
    }

    /** [R, I] → [R, O]; saves what the adapters make of x on their way, nothing where there are none. */
    Tensor forward(Tensor x, @Nullable DropoutKeys dropout, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            if (linears.size() == 1) {
                return scope.keep(linears.get(0).forward(x, dropout, tape));
            }
            Tensor weight = mergedWeight(dropout);
            if (weight == null) {
                TensorVector parts = new TensorVector();
                linears.forEach(linear -> parts.push_back(linear.forward(x, dropout, tape)));
                return scope.keep(torch.cat(parts, 1));
            }
            if (adapters().isEmpty()) {
                Tensor y = fp8 == null ? Matmul.of(x, weight.t()) : fp8.forward(x, weight);
                return scope.keep(addBiases(y));
            }
            Tensor inner = Matmul.of(x, downs().t()); // [R, r]
            tape.push(inner);
            if (fp8 != null) {
                Tensor y = fp8.forward(x, weight);
                addAdapted(inner, y);
                return scope.keep(addBiases(y));
            }
            Tensor y = adapted(inner, weight.size(0));
            Matmul.addTo(y, x, weight.t());
            return scope.keep(addBiases(y));
        }
    }

    /** y += b, [R, O] */
    private Tensor addBiases(Tensor y) {
        long from = 0;
        for (Linear linear : linears) {
            linear.addBias(y.narrow(1, from, linear.outputs()));
            from += linear.outputs();
        }
        return y;
    }

    /**
     * Adds to the gradients of all.
     *
     * @param dy [R, O]
     * @param x [R, I], what forward was given
     * @return dx [R, I]
     */
    Tensor backward(Tensor dy, Tensor x, @Nullable DropoutKeys dropout, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            if (linears.size() == 1) {
                return scope.keep(linears.get(0).backward(dy, x, dropout, tape));
            }
            Tensor weight = mergedWeight(dropout);
            if (weight == null) {
                return scope.keep(backwardEach(dy, x, dropout, tape));
            }
            Tensor[] parts = split(dy);
            for (int i = 0; i < parts.length; i++) {
                linears.get(i).addToBiasGradient(parts[i]);
            }
            if (fp8 != null) {
                Tensor dx = backwardFp8(fp8, dy, x, weight);
                return scope.keep(adapters().isEmpty() ? dx : dx.add_(backwardAdapted(dy, x, tape.pop())));
            }
            addToWeightGradients(new GradientAddend.Product(dy, x, 1));
            if (adapters().isEmpty()) {
                return scope.keep(Matmul.of(dy, weight));
            }
            Tensor dx = backwardAdapted(dy, x, tape.pop());
            Matmul.addTo(dx, dy, weight);
            return scope.keep(dx);
        }
    }

    /** Adds to the gradients of the weights; returns dy·W, [R, I]. */
    private Tensor backwardFp8(Fp8Products products, Tensor dy, Tensor x, Tensor weight) {
        boolean trained = linears.stream().anyMatch(linear -> linear.weight().trainable());
        OutputGradient read = products.quantised(OutputGradient.of(dy), trained);
        if (trained) {
            addToWeightGradients(products.weightGradient(read, x));
        }
        return products.inputGradient(read, weight);
    }

    private Tensor backwardEach(Tensor dy, Tensor x, @Nullable DropoutKeys dropout, Tape tape) {
        @Nullable AdaptedRows[] saved = new AdaptedRows[linears.size()];
        for (int i = saved.length - 1; i >= 0; i--) { // the last was saved last
            saved[i] = linears.get(i).saved(tape);
        }
        Tensor[] parts = split(dy);
        @Nullable Tensor dx = null;
        for (int i = 0; i < parts.length; i++) {
            Linear linear = linears.get(i);
            OutputGradient read = linear.outputGradient(parts[i]);
            linear.addToGradients(read, x, saved[i], dropout);
            if (dx == null) {
                dx = linear.inputGradient(read, dropout);
            } else {
                linear.addInputGradient(read, dropout, dx);
            }
        }
        return Objects.requireNonNull(dx);
    }

    /** @param addend for the gradients of all weights over each other, [O, I] */
    private void addToWeightGradients(GradientAddend addend) {
        List<Parameter> weights = weights();
        Tensor gradients = weights.stream().allMatch(Parameter::trainable)
                ? merged(Linear::weight, parameter -> Objects.requireNonNull(parameter.gradientMemory()))
                : null;
        if (gradients != null) {
            Parameter.addGradient(weights, gradients, addend);
            return;
        }
        long from = 0;
        for (Linear linear : linears) {
            linear.weight().addGradient(addend.rows(from, linear.outputs()));
            from += linear.outputs();
        }
    }

    /** The part of each, views of [R, O]. */
    Tensor[] split(Tensor y) {
        Tensor[] parts = new Tensor[linears.size()];
        long from = 0;
        for (int i = 0; i < parts.length; i++) {
            long outputs = linears.get(i).outputs();
            parts[i] = y.narrow(1, from, outputs);
            from += outputs;
        }
        return parts;
    }

    /** What the adapters add, [R, O]; zero beside a linear without one. */
    private Tensor adapted(Tensor inner, long outputs) {
        Tensor y = torch.empty(new long[] {inner.size(0), outputs}, inner.options(), null);
        long from = 0;
        long rank = 0;
        for (Linear linear : linears) {
            Tensor part = y.narrow(1, from, linear.outputs());
            LowRank adapter = linear.adapter();
            if (adapter == null) {
                part.zero_();
            } else {
                adapter.raise(inner.narrow(1, rank, adapter.rank()), part);
                rank += adapter.rank();
            }
            from += linear.outputs();
        }
        return y;
    }

    /** y += what the adapters add, [R, O] */
    private void addAdapted(Tensor inner, Tensor y) {
        long from = 0;
        long rank = 0;
        for (Linear linear : linears) {
            LowRank adapter = linear.adapter();
            if (adapter != null) {
                adapter.addRaised(inner.narrow(1, rank, adapter.rank()), y.narrow(1, from, linear.outputs()));
                rank += adapter.rank();
            }
            from += linear.outputs();
        }
    }

    /**
     * Adds to the gradients of the adapters.
     *
     * @param inner [R, r], as the forward saved it
     * @return what goes back through them, [R, I]
     */
    private Tensor backwardAdapted(Tensor dy, Tensor x, Tensor inner) {
        Tensor dInner = torch.empty_like(inner);
        long from = 0;
        long rank = 0;
        for (Linear linear : linears) {
            LowRank adapter = linear.adapter();
            if (adapter != null) {
                adapter.lower(
                        dy.narrow(1, from, linear.outputs()),
                        inner.narrow(1, rank, adapter.rank()),
                        dInner.narrow(1, rank, adapter.rank()));
                rank += adapter.rank();
            }
            from += linear.outputs();
        }
        addToDowns(dInner, x);
        return Matmul.of(dInner, downs());
    }

    /** @param dInner [R, r], scaled */
    private void addToDowns(Tensor dInner, Tensor x) {
        if (adapters().stream().noneMatch(adapter -> adapter.down().trainable())) {
            return;
        }
        Tensor sum = Matmul.wide(dInner.t(), x); // [r, I]
        long rank = 0;
        for (LowRank adapter : adapters()) {
            adapter.down().addGradient(sum.narrow(0, rank, adapter.rank()));
            rank += adapter.rank();
        }
    }

    /** The adapters' A over each other, [r, I]. */
    private Tensor downs() {
        TensorVector downs = new TensorVector();
        adapters().forEach(adapter -> downs.push_back(adapter.down().value()));
        return torch.cat(downs, 0);
    }

    private List<LowRank> adapters() {
        List<LowRank> adapters = new ArrayList<>();
        for (Linear linear : linears) {
            if (linear.adapter() != null) {
                adapters.add(linear.adapter());
            }
        }
        return adapters;
    }

    /**
     * All weights as one, [O, I]; null where each linear is computed by itself: adapters that drop inputs differ in what they
     * read, and a magnitude scales what its own linear gives. In FP8 those that drop are also apart where nothing is dropped,
     * so that no weight lies there in two forms.
     */
    private @Nullable Tensor mergedWeight(@Nullable DropoutKeys keys) {
        boolean apart = fp8 == null
                ? adapters().stream().anyMatch(adapter -> adapter.magnitude() != null || adapter.drops(keys))
                : isApartInFp8() || !isOfOneScale();
        return apart || !uniform ? null : merged(Linear::weight, Parameter::value);
    }

    private boolean isApartInFp8() {
        return adapters().stream().anyMatch(adapter -> adapter.magnitude() != null || adapter.dropsInTraining());
    }

    /** Whether what was gathered in FP8 has the same scale in all; what was not will have. */
    private boolean isOfOneScale() {
        Tensor first = linears.get(0).weight().inverseScale();
        return linears.stream()
                .allMatch(linear -> Objects.equals(linear.weight().inverseScale(), first));
    }

    /** One view of all, [O, I], where they follow each other in memory; else null. */
    private @Nullable Tensor merged(Function<Linear, Parameter> of, Function<Parameter, Tensor> what) {
        Tensor first = what.apply(of.apply(linears.get(0)));
        long outputs = 0;
        for (Linear linear : linears) {
            Tensor own = what.apply(of.apply(linear));
            long expected = first.storage_offset() + outputs * first.size(1);
            if (!own.is_alias_of(first) || own.storage_offset() != expected || own.size(1) != first.size(1)) {
                return null;
            }
            outputs += own.size(0);
        }
        return first.as_strided(new long[] {outputs, first.size(1)}, new long[] {first.size(1), 1});
    }
}
