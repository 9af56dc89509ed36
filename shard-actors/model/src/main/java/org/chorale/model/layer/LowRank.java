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

    /** y [R, O] += s·B(A·drop(x)) */
    void addTo(Tensor y, Tensor x, @Nullable DropoutKeys keys) {
        try (TensorScope scope = new TensorScope()) {
            Tensor inner = Matmul.of(dropout.apply(x, keys), down.value().t()); // [R, r]
            Matmul.addTo(y, inner, up.value().t(), scale);
        }
    }

    /** Adds to the gradients of A and B, and to dx [R, I]. */
    void backward(Tensor dy, Tensor x, @Nullable DropoutKeys keys, Tensor dx) {
        try (TensorScope scope = new TensorScope()) {
            Tensor dInner = innerGradient(dy);
            addToGradients(dy, dInner, x, keys);
            addThroughDown(dInner, keys, dx);
        }
    }

    /** The half of a backward that does not read x: adds to dx [R, I]. */
    void addInputGradient(Tensor dy, @Nullable DropoutKeys keys, Tensor dx) {
        try (TensorScope scope = new TensorScope()) {
            addThroughDown(innerGradient(dy), keys, dx);
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

    private void addThroughDown(Tensor dInner, @Nullable DropoutKeys keys, Tensor dx) {
        if (dropout.isActive(keys)) {
            Tensor dDropped = Matmul.of(dInner, down.value()); // [R, I]
            dx.add_(dropout.apply(dDropped, keys), Scalars.of(scale));
        } else {
            Matmul.addTo(dx, dInner, down.value(), scale);
        }
    }
}
