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
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * Linears that read the same rows, as one: query, key and value; gate and up. What they give lies side by side.
 *
 * <p>Rows R, I inputs, O outputs of all together, r rank of all adapters together. Where their weights follow each other
 * in memory, as they do in a flat buffer, one product serves all, forward and backward. Their adapters read x once
 * between them, and what they add is there before the product, which adds itself to it: a pass over y and one over dx
 * less. Where none of that is so (biases, dropout that is keyed by the layer), each linear is computed by itself.
 */
final class SideBySide {
    private final List<Linear> linears;

    SideBySide(Linear... linears) {
        this.linears = List.of(linears);
    }

    boolean trainable() {
        return linears.stream().anyMatch(Linear::trainable);
    }

    /** [R, I] → [R, O]; saves what the adapters make of x on their way, nothing where there are none. */
    Tensor forward(Tensor x, @Nullable DropoutKeys dropout, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Tensor weight = merged(Linear::weight, Parameter::value);
            if (weight == null || drops(dropout)) {
                TensorVector parts = new TensorVector();
                linears.forEach(linear -> parts.push_back(linear.forward(x, dropout, tape)));
                return scope.keep(torch.cat(parts, 1));
            }
            if (adapters().isEmpty()) {
                return scope.keep(Matmul.of(x, weight.t()));
            }
            Tensor inner = Matmul.of(x, downs().t()); // [R, r]
            tape.push(inner);
            Tensor y = adapted(inner, weight.size(0));
            Matmul.addTo(y, x, weight.t());
            return scope.keep(y);
        }
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
            Tensor weight = merged(Linear::weight, Parameter::value);
            if (weight == null || drops(dropout)) {
                return scope.keep(backwardEach(dy, x, dropout, tape));
            }
            addToWeightGradients(dy, x);
            if (adapters().isEmpty()) {
                return scope.keep(Matmul.of(dy, weight));
            }
            Tensor dx = backwardAdapted(dy, x, tape.pop());
            Matmul.addTo(dx, dy, weight);
            return scope.keep(dx);
        }
    }

    private Tensor backwardEach(Tensor dy, Tensor x, @Nullable DropoutKeys dropout, Tape tape) {
        @Nullable Tensor[] inner = new Tensor[linears.size()];
        for (int i = inner.length - 1; i >= 0; i--) { // the last was saved last
            inner[i] = linears.get(i).savedInner(tape);
        }
        Tensor[] parts = split(dy);
        @Nullable Tensor dx = null;
        for (int i = 0; i < parts.length; i++) {
            Linear linear = linears.get(i);
            Tensor dInner = linear.innerGradient(parts[i]);
            linear.addToGradients(parts[i], dInner, x, inner[i], dropout);
            if (dx == null) {
                dx = linear.inputGradient(parts[i], dInner, dropout);
            } else {
                linear.addInputGradient(parts[i], dInner, dropout, dx);
            }
        }
        return Objects.requireNonNull(dx);
    }

    private void addToWeightGradients(Tensor dy, Tensor x) {
        List<Parameter> weights = linears.stream().map(Linear::weight).toList();
        Tensor gradients = weights.stream().allMatch(Parameter::trainable)
                ? merged(Linear::weight, parameter -> Objects.requireNonNull(parameter.gradientMemory()))
                : null;
        if (gradients != null) {
            Parameter.addGradientProduct(weights, gradients, dy, x);
            return;
        }
        long from = 0;
        for (Linear linear : linears) {
            linear.weight().addGradientProduct(dy.narrow(1, from, linear.outputs()), x, 1);
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

    private boolean drops(@Nullable DropoutKeys keys) {
        return adapters().stream().anyMatch(adapter -> adapter.drops(keys));
    }

    /** One view of all, [O, I], where they follow each other in memory and have no bias; else null. */
    private @Nullable Tensor merged(Function<Linear, Parameter> of, Function<Parameter, Tensor> what) {
        Tensor first = what.apply(of.apply(linears.get(0)));
        long outputs = 0;
        for (Linear linear : linears) {
            Tensor own = what.apply(of.apply(linear));
            long expected = first.storage_offset() + outputs * first.size(1);
            if (linear.hasBias()
                    || !own.is_alias_of(first)
                    || own.storage_offset() != expected
                    || own.size(1) != first.size(1)) {
                return null;
            }
            outputs += own.size(0);
        }
        return first.as_strided(new long[] {outputs, first.size(1)}, new long[] {first.size(1), 1});
    }
}
