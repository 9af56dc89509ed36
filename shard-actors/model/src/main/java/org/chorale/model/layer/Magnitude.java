// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;

/**
 * The lengths of an adapted weight's rows, trained apart from their directions (DoRA, Liu et al. 2024, arXiv 2402.09353).
 *
 * <pre>
 * v = W·x + s·B·A·x      n = ‖W + s·B·A‖, row by row      y = m ÷ n ⊙ v
 * </pre>
 *
 * <p>R rows of x, O outputs, I inputs, r rank. In the backward n counts as a constant, as in PEFT (the paper's section 4.3).
 */
public final class Magnitude {
    private static final Scalar EUCLIDEAN = Scalars.of(2);
    private static final long[] OF_ROWS = {1};
    private static final long[] OVER_ROWS = {0};

    private final Parameter magnitude; // m, [O]
    private final long outputs;

    /**
     * @param magnitude m, [O]
     * @param outputs O, which is known before m is there
     */
    public Magnitude(Parameter magnitude, long outputs) {
        this.magnitude = magnitude;
        this.outputs = outputs;
    }

    /** Columns of v, which a forward saves. */
    long outputs() {
        return outputs;
    }

    boolean trainable() {
        return magnitude.trainable();
    }

    /**
     * n, [O], in fp32 at least. The sum of W and s·B·A, as large as W, is never made: a row's square is ‖w‖² and what {@link
     * LowRank#addedSquares} adds.
     */
    Tensor lengths(Tensor weight, LowRank adapter) {
        try (TensorScope scope = new TensorScope()) {
            Tensor added = adapter.addedSquares(weight);
            ScalarTypeOptional type = new ScalarTypeOptional(added.scalar_type());
            Tensor own = torch.linalg_vector_norm(weight, EUCLIDEAN, OF_ROWS, false, type);
            return scope.keep(
                    own.square_().add_(added).clamp_min_(Scalars.of(0)).sqrt_()); // below 0 by rounding alone
        }
    }

    /** m ÷ n ⊙ rows, [R, O], rounded once: of v, and of the gradient of y. */
    Tensor scaled(Tensor rows, Tensor lengths) {
        try (TensorScope scope = new TensorScope()) {
            Tensor scaled = torch.empty_like(rows);
            torch.mul_out(scaled, rows, magnitude.value().div(lengths)); // what it returns is no owner
            return scope.keep(scaled);
        }
    }

    /** Adds to the gradient of m. */
    void addGradient(Tensor dy, Tensor sum, Tensor lengths) {
        if (magnitude.trainable()) {
            try (TensorScope scope = new TensorScope()) {
                Tensor products = dy.mul(sum).sum(OVER_ROWS, false, new ScalarTypeOptional(lengths.scalar_type()));
                magnitude.addGradient(products.div_(lengths));
            }
        }
    }
}
