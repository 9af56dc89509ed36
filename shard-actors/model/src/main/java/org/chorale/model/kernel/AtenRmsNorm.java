// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.kernel;

import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/** RMSNorm by ATen's operators. */
final class AtenRmsNorm implements RmsNormKernel {
    private static final AtenRmsNorm PLAIN = new AtenRmsNorm(Weighting.PLAIN);
    private static final AtenRmsNorm FROM_ONE = new AtenRmsNorm(Weighting.FROM_ONE);
    private static final long[] ROWS = {0};
    private static final long[] LAST = {-1};

    private final Weighting weighting;

    private AtenRmsNorm(Weighting weighting) {
        this.weighting = weighting;
    }

    static AtenRmsNorm of(Weighting weighting) {
        return weighting == Weighting.PLAIN ? PLAIN : FROM_ONE;
    }

    @Override
    public Normed forward(Tensor x, Tensor weight, double epsilon) {
        try (TensorScope scope = new TensorScope()) {
            double inverseRootWidth = 1 / Math.sqrt((double) x.size(-1));
            Tensor rootMeanSquare = torch.linalg_vector_norm(
                            wide(x), Scalars.of(2), LAST, true, new ScalarTypeOptional())
                    .mul_(Scalars.of(inverseRootWidth)); // [R, 1]
            Tensor scale = scope.keep(
                    rootMeanSquare.square_().add_(Scalars.of(epsilon)).rsqrt_()); // [R, 1]
            Tensor normalised = wide(x).mul(scale);
            Tensor rows = weighting == Weighting.PLAIN
                    ? normalised.to(x.scalar_type()).mul(weight)
                    : normalised.mul_(factor(weight)).to(x.scalar_type());
            return new Normed(scope.keep(rows), scale);
        }
    }

    @Override
    public Normed addAndForward(Tensor sum, Tensor addend, Tensor weight, double epsilon) {
        sum.add_(addend);
        return forward(sum, weight, epsilon);
    }

    @Override
    public Tensor backward(
            Tensor dy,
            Tensor x,
            Tensor scale,
            Tensor weight,
            @Nullable Tensor residual,
            @Nullable Tensor weightGradient) {
        try (TensorScope scope = new TensorScope()) {
            Tensor normalised = wide(x).mul(scale); // [R, D]
            Tensor wideDy = wide(dy);
            Tensor wideWeight = factor(weight);
            Tensor product = wideDy.mul(normalised); // [R, D]
            if (weightGradient != null) {
                weightGradient.add_(product.sum(ROWS, false, new ScalarTypeOptional(weightGradient.scalar_type())));
            }
            Tensor mean = product.mv(wideWeight)
                    .mul_(Scalars.of(1.0 / (double) dy.size(-1)))
                    .unsqueeze(-1); // [R, 1]
            Tensor dx = wideDy.mul(wideWeight);
            dx.addcmul_(normalised, mean, Scalars.of(-1)).mul_(scale);
            if (residual != null) {
                dx.add_(residual);
            }
            return scope.keep(dx.to(dy.scalar_type()));
        }
    }

    /** What x̂ is multiplied by, [D], in fp32 at least. */
    private Tensor factor(Tensor weight) {
        return weighting == Weighting.PLAIN ? wide(weight) : wide(weight).add(Scalars.of(1));
    }

    /** In the dtype in which sums over many small terms are taken; nothing is copied where it has it. */
    private static Tensor wide(Tensor x) {
        return x.scalar_type().intern() == ScalarType.Double ? x : x.to(ScalarType.Float);
    }
}
