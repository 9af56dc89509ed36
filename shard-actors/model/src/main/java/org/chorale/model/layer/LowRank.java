// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * The low-rank part of an adapted linear, s·B(A·drop(x)) (LoRA, Hu et al. 2021, arXiv 2106.09685).
 *
 * <p>R rows, I inputs, O outputs, r rank. A·drop(x), [R, r], is called inner here: a forward
 * makes it, and a backward reads it.
 */
public final class LowRank {
    private final Parameter down; // A, [r, I]
    private final Parameter up; // B, [O, r]
    private final long rank;
    private final double scale;
    private final Dropout dropout;
    private final @Nullable Magnitude magnitude;

    /**
     * @param down A, [r, I]
     * @param up B, [O, r]
     * @param rank r, which is known before A and B are there
     * @param scale s
     * @param dropRate share of the inputs that are dropped in training
     */
    public LowRank(Parameter down, Parameter up, long rank, double scale, double dropRate) {
        this(down, up, rank, scale, dropRate, null);
    }

    /** @param magnitude scales what weight and low-rank part give together; null where nothing does */
    public LowRank(
            Parameter down, Parameter up, long rank, double scale, double dropRate, @Nullable Magnitude magnitude) {
        this.down = down;
        this.up = up;
        this.rank = rank;
        this.scale = scale;
        this.dropout = new Dropout(down.name(), dropRate);
        this.magnitude = magnitude;
    }

    boolean trainable() {
        return down.trainable() || up.trainable() || (magnitude != null && magnitude.trainable());
    }

    @Nullable
    Magnitude magnitude() {
        return magnitude;
    }

    /** What s·B·A adds to the squares of the lengths of a weight's rows: s·b·(2·A·w + s·A·Aᵀ·b), [O], in fp32 at least. */
    Tensor addedSquares(Tensor weight) {
        try (TensorScope scope = new TensorScope()) {
            Tensor a = down.value();
            Tensor b = Wide.of(up.value());
            Tensor twice = Matmul.wide(weight, a.t()).mul_(Scalars.of(2)); // [O, r]
            Tensor both = twice.addmm_(b, Matmul.wide(a, a.t()), Scalars.of(1), Scalars.of(scale));
            return scope.keep(both.mul_(b).sum(1).mul_(Scalars.of(scale)));
        }
    }

    /** drop(x), [R, I]; x itself where nothing is dropped. */
    Tensor dropped(Tensor x, @Nullable DropoutKeys keys) {
        return dropout.apply(x, keys);
    }

    /** A·drop(x), [R, r] */
    Tensor inner(Tensor x, @Nullable DropoutKeys keys) {
        try (TensorScope scope = new TensorScope()) {
            return scope.keep(Matmul.of(dropout.apply(x, keys), down.value().t()));
        }
    }

    /** Writes s·B·inner into y [R, O]; rows of both may be parts of wider ones. */
    void raise(Tensor inner, Tensor y) {
        try (TensorScope scope = new TensorScope()) {
            Matmul.write(y, inner, up.value().t(), scale);
        }
    }

    /** Adds s·B·inner to y, likewise. */
    void addRaised(Tensor inner, Tensor y) {
        try (TensorScope scope = new TensorScope()) {
            Matmul.addTo(y, inner, up.value().t(), scale);
        }
    }

    /**
     * The backward of {@link #raise}: adds to the gradient of B.
     *
     * @param dInner [R, r], written: the gradient of inner
     */
    void lower(Tensor dy, Tensor inner, Tensor dInner) {
        up.addGradientProduct(dy, inner, scale);
        innerGradient(dy, dInner);
    }

    /** The gradient of inner, [R, r]. */
    Tensor innerGradient(Tensor dy) {
        Tensor dInner = torch.empty(new long[] {dy.size(0), rank()}, dy.options(), null);
        innerGradient(dy, dInner);
        return dInner;
    }

    private void innerGradient(Tensor dy, Tensor dInner) {
        try (TensorScope scope = new TensorScope()) {
            Matmul.write(dInner, dy, up.value(), scale);
        }
    }

    Parameter down() {
        return down;
    }

    Parameter up() {
        return up;
    }

    /** s. */
    double scale() {
        return scale;
    }

    /** r. */
    long rank() {
        return rank;
    }

    boolean drops(@Nullable DropoutKeys keys) {
        return dropout.isActive(keys);
    }

    /** Whether inputs are dropped in training. */
    boolean dropsInTraining() {
        return dropout.isUsed();
    }

    /** Adds to the gradients of A and B. */
    void addToGradients(Tensor dy, Tensor dInner, Tensor x, Tensor inner, @Nullable DropoutKeys keys) {
        try (TensorScope scope = new TensorScope()) {
            up.addGradientProduct(dy, inner, scale);
            down.addGradientProduct(dInner, dropout.apply(x, keys), 1);
        }
    }

    /** What goes back through A, [R, I]. */
    Tensor throughDown(Tensor dInner, @Nullable DropoutKeys keys) {
        try (TensorScope scope = new TensorScope()) {
            return scope.keep(dropout.apply(Matmul.of(dInner, down.value()), keys));
        }
    }

    /** Likewise, added to dx [R, I]. */
    void addThroughDown(Tensor dInner, @Nullable DropoutKeys keys, Tensor dx) {
        try (TensorScope scope = new TensorScope()) {
            if (dropout.isActive(keys)) {
                dx.add_(dropout.apply(Matmul.of(dInner, down.value()), keys));
            } else {
                Matmul.addTo(dx, dInner, down.value());
            }
        }
    }
}
