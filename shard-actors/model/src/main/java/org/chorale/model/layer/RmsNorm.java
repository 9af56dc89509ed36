// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.chorale.model.kernel.RmsNormKernel;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * y = w · x / √(mean(x²) + ε), over the last dimension (Zhang and Sennrich 2019, arXiv 1910.07467). Of each row it finds
 * the scale, 1 / √(mean(x²) + ε).
 *
 * <p>R rows, D model width.
 */
public final class RmsNorm implements Norm {
    private final Parameter weight; // [D]
    private final double epsilon;
    private final boolean fromOne;

    public RmsNorm(Parameter weight, double epsilon) {
        this(weight, epsilon, false);
    }

    private RmsNorm(Parameter weight, double epsilon, boolean fromOne) {
        this.weight = weight;
        this.epsilon = epsilon;
        this.fromOne = fromOne;
    }

    /** Gemma's: the weight is what is added to 1, in fp32 at least. */
    public static RmsNorm fromOne(Parameter weight, double epsilon) {
        return new RmsNorm(weight, epsilon, true);
    }

    @Override
    public boolean trainable() {
        return weight.trainable();
    }

    @Override
    public Normed normalise(Tensor x) {
        try (TensorScope scope = new TensorScope()) {
            Tensor w = weight();
            return kept(scope, RmsNormKernel.of(x, w).forward(x, w, epsilon), x);
        }
    }

    @Override
    public Normed addAndNormalise(Tensor sum, Tensor addend) {
        try (TensorScope scope = new TensorScope()) {
            Tensor w = weight();
            return kept(scope, RmsNormKernel.of(sum, w).addAndForward(sum, addend, w, epsilon), sum);
        }
    }

    @Override
    public Tensor backward(Tensor dy, Tensor x, Tensor statistics, @Nullable Tensor residual) {
        try (TensorScope scope = new TensorScope()) {
            Tensor w = weight();
            return scope.keep(RmsNormKernel.of(x, w).backward(dy, x, statistics, w, residual, weight.gradient()));
        }
    }

    /** What rows are multiplied by, [D]. */
    private Tensor weight() {
        return fromOne ? Wide.of(weight.value()).add(Scalars.of(1)) : weight.value();
    }

    /** Rows in the dtype of x. */
    private Normed kept(TensorScope scope, RmsNormKernel.Normed normed, Tensor x) {
        Tensor rows = fromOne ? normed.rows().to(x.scalar_type()) : normed.rows();
        return new Normed(scope.keep(rows), scope.keep(normed.scale()));
    }
}
