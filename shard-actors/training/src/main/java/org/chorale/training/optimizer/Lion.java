// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.optimizer;

import java.util.List;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.training.shard.FlatGroup;

/**
 * Lion (Chen et al. 2023, arXiv 2302.06675), whose update is a sign and whose state is half of Adam's:
 *
 * <pre>{@code
 * w = w (1 − η λ) − η sign(β1 m + (1 − β1) g)          m = β2 m + (1 − β2) g
 * }</pre>
 *
 * <p>libtorch has no fused kernel for it. The gate turns η and 1 − β2 into 0 and the gradient, which may hold NaN, into
 * zeros: weights and state keep every bit.
 */
final class Lion extends FlatOptimizer {
    /** State: m of every weight. */
    static final String MOMENT = "lion.m";

    private final double beta1;
    private final double beta2;

    Lion(OptimizerConfig config, List<FlatGroup> groups) {
        super(config, groups, List.of(MOMENT));
        this.beta1 = config.beta1().orElse(0.9);
        this.beta2 = config.beta2().orElse(0.99);
    }

    @Override
    void update(Part part, List<Tensor> gradients, double learningRate, Tensor divisor, Tensor notFinite) {
        Tensor skips = notFinite.to(ScalarType.Bool); // [1], as all that follow
        Tensor happens = notFinite.neg().add_(Scalars.of(1));
        Tensor moves = happens.mul(new Scalar(-learningRate));
        Tensor keeps =
                moves.mul(Scalars.of(part.hyperparameters().weightDecay())).add_(Scalars.of(1));
        Tensor learns = happens.mul(Scalars.of(1 - beta2));
        for (int i = 0; i < part.weights().size(); i++) {
            try (TensorScope scope = new TensorScope()) {
                Tensor gradient = gradients.get(i).div_(divisor).masked_fill_(skips, Scalars.of(0));
                Tensor moment = part.moment(MOMENT).get(i);
                Tensor sign =
                        torch.lerp(moment, gradient, Scalars.of(1 - beta1)).sign_();
                part.weights().get(i).mul_(keeps).addcmul_(sign, moves);
                moment.lerp_(gradient, learns);
            }
        }
    }
}
