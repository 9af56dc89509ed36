// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.optimizer;

import java.util.Collections;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.Operator;
import org.chorale.training.optimizer.OptimizerConfig.Algorithm;
import org.chorale.training.shard.FlatGroup;

/**
 * AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) over the flat buffers of a shard:
 *
 * <pre>{@code
 * m = β1 m + (1 − β1) g          v = β2 v + (1 − β2) g²
 * w = w (1 − η λ) − η / (1 − β1ᵗ) · m / (√(v / (1 − β2ᵗ)) + ε)
 * }</pre>
 *
 * and Adam (Kingma and Ba 2015, arXiv 1412.6980), where the decay is part of the gradient instead, g + λ w, and so goes
 * through m and v.
 *
 * <p>One fused kernel runs over all buffers. Whether a step happens at all is decided beside the numbers: where {@code
 * notFinite} is 1, the kernel touches nothing and t does not advance, without the host having looked.
 */
public final class AdamW extends FlatOptimizer {
    /** State: m and v of every weight, and t, the steps that were taken. */
    static final String FIRST_MOMENT = "adam.m";

    static final String SECOND_MOMENT = "adam.v";
    static final String STEPS = "adam.steps";

    private static final boolean AMSGRAD = false;
    private static final boolean MAXIMIZE = false;

    private final Operator fused;
    private final double beta1;
    private final double beta2;
    private final double epsilon;
    private final Tensor steps;

    /** @param config of type ADAMW or ADAM */
    public AdamW(OptimizerConfig config, List<FlatGroup> groups) {
        super(config, groups, List.of(FIRST_MOMENT, SECOND_MOMENT));
        this.fused = Operator.named(config.type() == Algorithm.ADAM ? "aten::_fused_adam_" : "aten::_fused_adamw_");
        this.beta1 = config.beta1().orElse(0.9);
        this.beta2 = config.beta2().orElse(0.999);
        this.epsilon = config.epsilon().orElse(1e-8);
        this.steps = counter(STEPS);
    }

    @Override
    void update(Part part, double learningRate, Tensor divisor, Tensor notFinite) {
        fused.call(
                part.weights(),
                part.gradients(),
                part.moment(FIRST_MOMENT),
                part.moment(SECOND_MOMENT),
                List.of(),
                Collections.nCopies(part.weights().size(), steps),
                learningRate,
                beta1,
                beta2,
                part.hyperparameters().weightDecay(),
                epsilon,
                AMSGRAD,
                MAXIMIZE,
                divisor,
                notFinite);
    }
}
