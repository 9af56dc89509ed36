// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import java.util.Objects;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.fp8.Fp8Format;
import org.chorale.model.fp8.Fp8Matmul;
import org.chorale.model.fp8.Fp8Matmul.Sums;
import org.chorale.model.fp8.Fp8Matrix;
import org.chorale.model.fp8.Fp8Scaling;
import org.chorale.model.fp8.QuantiseKernel;
import org.chorale.model.fp8.QuantiseKernel.Both;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * The products of a weight W [O, I] with FP8 factors: y = x·Wᵀ, dx = dy·W and, with one scale each, dW = dyᵀ·x.
 *
 * <p>W becomes FP8 once, for all products until its value changes or is taken away: over an optimizer step where it stays,
 * micro-batches and blocks that are computed again included; for one use of its unit where it is gathered. That is a byte
 * for each parameter and form. Where W is gathered in FP8, it is there as [O, I], and Wᵀ is made of its bytes. Rows become FP8 whenever they are read: to keep them would take more bytes than their
 * origins, which are on the tape anyway or come from there.
 */
final class Fp8Products {
    private final Fp8Scaling scaling;
    private final Parameter owner;
    private final HeldTensors ofWeight = new HeldTensors();
    private @Nullable Tensor largest; // of W
    private @Nullable Fp8Matrix weight; // W, [O, I]
    private @Nullable Fp8Matrix transposed; // Wᵀ, [I, O]

    /** @param owner of which W is the value, or the first of several whose values lie over each other in W */
    Fp8Products(Fp8Scaling scaling, Parameter owner) {
        this.scaling = scaling;
        this.owner = owner;
        owner.whenChanged(this::forgetWeight);
    }

    Fp8Scaling scaling() {
        return scaling;
    }

    /** x·Wᵀ: [R, I] → [R, O] */
    Tensor forward(Tensor x, Tensor w) {
        try (TensorScope scope = new TensorScope()) {
            return scope.keep(Fp8Matmul.of(rows(x, Fp8Format.E4M3), weight(w), ScalarType.BFloat16, Sums.FAST));
        }
    }

    /**
     * Makes FP8 of dy [R, O], in the open scope.
     *
     * @param trained whether W has a gradient
     */
    OutputGradient quantised(OutputGradient dy, boolean trained) {
        Tensor rows = dy.rows();
        if (scaling != Fp8Scaling.TENSOR || !trained) {
            return dy.with(rows(rows, scaling.gradients()), null);
        }
        QuantiseKernel kernel = QuantiseKernel.of(rows);
        Both both = kernel.both(rows, kernel.largest(rows), scaling.gradients());
        return dy.with(both.rows(), both.columns());
    }

    /** dy·W: [R, O] → [R, I] */
    Tensor inputGradient(OutputGradient dy, Tensor w) {
        try (TensorScope scope = new TensorScope()) {
            Fp8Matrix rows = Objects.requireNonNull(dy.fp8());
            return scope.keep(Fp8Matmul.of(rows, transposed(w), ScalarType.BFloat16, Sums.EXACT));
        }
    }

    /** What dyᵀ·x adds to the gradient of W, [O, I], once its factors are made, in the open scope. */
    GradientAddend weightGradient(OutputGradient dy, Tensor x) {
        Fp8Matrix columns = dy.fp8Columns();
        if (columns == null) {
            return new GradientAddend.Product(dy.rows(), x, 1);
        }
        QuantiseKernel kernel = QuantiseKernel.of(x);
        return new GradientAddend.Fp8Product(columns, kernel.columns(x, kernel.largest(x), Fp8Format.E4M3));
    }

    private Fp8Matrix rows(Tensor x, Fp8Format format) {
        QuantiseKernel kernel = QuantiseKernel.of(x);
        return scaling == Fp8Scaling.ROW ? kernel.eachRow(x, format) : kernel.rows(x, kernel.largest(x), format);
    }

    private Fp8Matrix weight(Tensor w) {
        Tensor inverse = owner.inverseScale();
        if (inverse != null) {
            return new Fp8Matrix(w, inverse);
        }
        Fp8Matrix known = weight;
        if (known == null) {
            QuantiseKernel kernel = QuantiseKernel.of(w);
            known = scaling == Fp8Scaling.ROW
                    ? kernel.eachRow(w, Fp8Format.E4M3)
                    : kernel.rows(w, largest(w), Fp8Format.E4M3);
            weight = known.heldBy(ofWeight);
        }
        return known;
    }

    private Fp8Matrix transposed(Tensor w) {
        Fp8Matrix known = transposed;
        if (known == null) {
            known = transposedAnew(w);
            transposed = known.heldBy(ofWeight);
        }
        return known;
    }

    private Fp8Matrix transposedAnew(Tensor w) {
        QuantiseKernel kernel = QuantiseKernel.of(w);
        Tensor inverse = owner.inverseScale();
        if (inverse != null) {
            return kernel.transposed(new Fp8Matrix(w, inverse));
        }
        return scaling == Fp8Scaling.ROW
                ? kernel.eachRow(w.t().contiguous(), Fp8Format.E4M3)
                : kernel.columns(w, largest(w), Fp8Format.E4M3);
    }

    private Tensor largest(Tensor w) {
        Tensor known = largest;
        if (known == null) {
            known = ofWeight.hold(QuantiseKernel.of(w).largest(w));
            largest = known;
        }
        return known;
    }

    private void forgetWeight() {
        largest = null;
        weight = null;
        transposed = null;
        ofWeight.close();
    }
}
