// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.chorale.model.kernel.RmsNormKernel;
import org.chorale.model.kernel.RmsNormKernel.Weighting;
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
    private final Weighting weighting;

    public RmsNorm(Parameter weight, double epsilon) {
        this(weight, epsilon, Weighting.PLAIN);
    }

    private RmsNorm(Parameter weight, double epsilon, Weighting weighting) {
        this.weight = weight;
        this.epsilon = epsilon;
        this.weighting = weighting;
    }

    /** Gemma's: the weight is what is added to 1, in fp32 at least. */
    public static RmsNorm fromOne(Parameter weight, double epsilon) {
        return new RmsNorm(weight, epsilon, Weighting.FROM_ONE);
    }

    @Override
    public boolean trainable() {
        return weight.trainable();
    }

    @Override
    public Normed normalise(Tensor x) {
        try (TensorScope scope = new TensorScope()) {
            return kept(scope, kernel(x).forward(x, weight.value(), epsilon));
        }
    }

    @Override
    public Normed addAndNormalise(Tensor sum, Tensor addend) {
        try (TensorScope scope = new TensorScope()) {
            return kept(scope, kernel(sum).addAndForward(sum, addend, weight.value(), epsilon));
        }
    }

    @Override
    public Tensor backward(Tensor dy, Tensor x, Tensor statistics, @Nullable Tensor residual) {
        return kernel(x).backward(dy, x, statistics, weight.value(), residual, weight.gradient());
    }

    private RmsNormKernel kernel(Tensor x) {
        return RmsNormKernel.of(x, weight.value(), weighting);
    }

    private static Normed kept(TensorScope scope, RmsNormKernel.Normed normed) {
        return new Normed(scope.keep(normed.rows()), scope.keep(normed.scale()));
    }
}
