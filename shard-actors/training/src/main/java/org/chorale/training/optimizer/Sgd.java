// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.optimizer;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.Operator;
import org.chorale.training.shard.FlatGroup;

/**
 * Stochastic gradient descent with momentum μ, as torch.optim.SGD computes it (without dampening):
 *
 * <pre>{@code
 * g = g + λ w          b = μ b + g
 * w = w − η b,   with Nesterov's momentum w − η (g + μ b),   without momentum w − η g
 * }</pre>
 *
 * <p>One fused kernel, gated as in {@link AdamW}. Without momentum there is no state.
 */
final class Sgd extends FlatOptimizer {
    /** State: b of every weight. */
    static final String MOMENTUM = "sgd.momentum";

    private static final double DAMPENING = 0;
    private static final boolean MAXIMIZE = false;

    /** torch's first step sets b = g, which b = μ·0 + g does too. */
    private static final boolean FIRST_STEP = false;

    private final Operator fused = Operator.named("aten::_fused_sgd_");
    private final double momentum;
    private final boolean nesterov;

    Sgd(OptimizerConfig config, List<FlatGroup> groups) {
        super(config, groups, config.momentum().orElse(0.0) == 0 ? List.of() : List.of(MOMENTUM));
        this.momentum = config.momentum().orElse(0.0);
        this.nesterov = config.nesterov().orElse(false);
    }

    @Override
    void update(Part part, List<Tensor> gradients, double learningRate, Tensor divisor, Tensor notFinite) {
        fused.call(
                part.weights(),
                gradients,
                part.moment(MOMENTUM),
                part.hyperparameters().weightDecay(),
                momentum,
                learningRate,
                DAMPENING,
                nesterov,
                MAXIMIZE,
                FIRST_STEP,
                divisor,
                notFinite);
    }
}
