// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * The low-rank part of an adapted linear, s·B(A·drop(x)) (LoRA, Hu et al. 2021, arXiv 2106.09685).
 *
 * <p>R rows, I inputs, O outputs, r rank. It saves nothing: A·drop(x), [R, r], is computed again in the backward.
 */
public final class LowRank {
    private final Parameter down; // A, [r, I]
    private final Parameter up; // B, [O, r]
    private final double scale;
    private final Dropout dropout;

    /**
     * @param down A, [r, I]
     * @param up B, [O, r]
     * @param scale s
     * @param dropRate share of the inputs that are dropped in training
     */
    public LowRank(Parameter down, Parameter up, double scale, double dropRate) {
        this.down = down;
        this.up = up;
        this.scale = scale;
        this.dropout = new Dropout(down.name(), dropRate);
    }

    boolean trainable() {
        return down.trainable() || up.trainable();
    }

    /** s·B(A·drop(x)), [R, O] */
    Tensor of(Tensor x, @Nullable DropoutKeys keys) {
        try (TensorScope scope = new TensorScope()) {
            Tensor inner = Matmul.of(dropout.apply(x, keys), down.value().t()); // [R, r]
            return scope.keep(
                    Matmul.of(inner.mul_(Scalars.of(scale)), up.value().t()));
        }
    }

    /** s·B·inner of an inner [R, r] that others share, into y [R, O], whose rows may be parts of wider ones. */
    void raise(Tensor inner, Tensor y) {
        try (TensorScope scope = new TensorScope()) {
            Matmul.write(y, inner, up.value().t(), scale);
        }
    }

    /**
     * The backward of {@link #raise}: adds to the gradient of B.
     *
     * @param dInner [R, r], written: what comes back, scaled
     */
    void lower(Tensor dy, Tensor inner, Tensor dInner) {
        up.addGradientProduct(dy, inner, scale);
        try (TensorScope scope = new TensorScope()) {
            Matmul.write(dInner, dy, up.value(), scale);
        }
    }

    Parameter down() {
        return down;
    }

    /** r. */
    long rank() {
        return down.value().size(0);
    }

    boolean drops(@Nullable DropoutKeys keys) {
        return dropout.isActive(keys);
    }

    /** Adds to the gradients of A and B; returns what goes back through them, [R, I]. */
    Tensor backward(Tensor dy, Tensor x, @Nullable DropoutKeys keys) {
        try (TensorScope scope = new TensorScope()) {
            Tensor dInner = innerGradient(dy);
            addToGradients(dy, dInner, x, keys);
            return scope.keep(throughDown(dInner, keys));
        }
    }

    /** Likewise, adding that to dx [R, I]. */
    void backward(Tensor dy, Tensor x, @Nullable DropoutKeys keys, Tensor dx) {
        try (TensorScope scope = new TensorScope()) {
            Tensor dInner = innerGradient(dy);
            addToGradients(dy, dInner, x, keys);
            addThroughDown(dInner, keys, dx);
        }
    }

    /** The half of a backward that does not read x: what goes back through A and B, [R, I]. */
    Tensor inputGradient(Tensor dy, @Nullable DropoutKeys keys) {
        try (TensorScope scope = new TensorScope()) {
            return scope.keep(throughDown(innerGradient(dy), keys));
        }
    }

    /** The half of a backward that reads x: adds to the gradients of A and B. */
    void addToGradients(Tensor dy, Tensor x, @Nullable DropoutKeys keys) {
        try (TensorScope scope = new TensorScope()) {
            addToGradients(dy, innerGradient(dy), x, keys);
        }
    }

    /** [R, r], not scaled yet */
    private Tensor innerGradient(Tensor dy) {
        return Matmul.of(dy, up.value());
    }

    private void addToGradients(Tensor dy, Tensor dInner, Tensor x, @Nullable DropoutKeys keys) {
        Tensor dropped = dropout.apply(x, keys); // [R, I]
        if (up.trainable()) {
            up.addGradientProduct(dy, Matmul.of(dropped, down.value().t()), scale);
        }
        down.addGradientProduct(dInner, dropped, scale);
    }

    private Tensor throughDown(Tensor dInner, @Nullable DropoutKeys keys) {
        Tensor dDropped = Matmul.of(dInner.mul(Scalars.of(scale)), down.value()); // [R, I]
        return dropout.apply(dDropped, keys);
    }

    private void addThroughDown(Tensor dInner, @Nullable DropoutKeys keys, Tensor dx) {
        if (dropout.isActive(keys)) {
            Tensor dDropped = Matmul.of(dInner, down.value()); // [R, I]
            dx.add_(dropout.apply(dDropped, keys), Scalars.of(scale));
        } else {
            Matmul.addTo(dx, dInner, down.value(), scale);
        }
    }
}
