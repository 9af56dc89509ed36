// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.optimizer;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.Operator;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.training.shard.FlatGroup;

/**
 * AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) over the flat buffers of a shard:
 *
 * <pre>{@code
 * m = β1 m + (1 − β1) g          v = β2 v + (1 − β2) g²
 * w = w (1 − η λ) − η / (1 − β1ᵗ) · m / (√(v / (1 − β2ᵗ)) + ε)
 * }</pre>
 *
 * <p>One fused kernel runs over all buffers. Whether a step happens at all is decided beside the numbers: where {@code
 * notFinite} is 1, the kernel touches nothing and t does not advance, without the host having looked.
 */
public final class AdamW implements Optimizer {
    private static final boolean AMSGRAD = false;
    private static final boolean MAXIMIZE = false;

    private final Operator fused = Operator.named("aten::_fused_adamw_");
    private final OptimizerConfig config;
    private final HeldTensors owner = new HeldTensors();
    private final List<Tensor> weights = new ArrayList<>();
    private final List<Tensor> gradients = new ArrayList<>();
    private final List<Tensor> firstMoments = new ArrayList<>();
    private final List<Tensor> secondMoments = new ArrayList<>();
    private final List<Tensor> stepsOfEach = new ArrayList<>();
    private final Tensor steps; // [1] fp32: t, the steps that were not skipped

    public AdamW(OptimizerConfig config, List<FlatGroup> groups) {
        this.config = config;
        try (TensorScope scope = new TensorScope()) {
            this.steps = owner.hold(HostTensors.zeros(ScalarType.Float, 1));
            for (FlatGroup group : groups) {
                weights.add(group.values());
                gradients.add(group.gradients());
                firstMoments.add(owner.hold(torch.zeros_like(group.values())));
                secondMoments.add(owner.hold(torch.zeros_like(group.values())));
                stepsOfEach.add(steps);
            }
        } catch (RuntimeException e) { // no memory: what was had is given back
            owner.close();
            throw e;
        }
    }

    @Override
    public void step(double learningRate, Tensor divisor, Tensor notFinite) {
        try (TensorScope scope = new TensorScope()) {
            steps.add_(notFinite.neg().add_(Scalars.of(1)));
            fused.call(
                    weights,
                    gradients,
                    firstMoments,
                    secondMoments,
                    List.of(),
                    stepsOfEach,
                    learningRate,
                    config.beta1(),
                    config.beta2(),
                    config.weightDecay(),
                    config.epsilon(),
                    AMSGRAD,
                    MAXIMIZE,
                    divisor,
                    notFinite);
        }
    }

    /** m of each group, flat, in the groups' order. */
    public List<Tensor> firstMoments() {
        return firstMoments;
    }

    /** v of each group, likewise. */
    public List<Tensor> secondMoments() {
        return secondMoments;
    }

    /** t, [1] fp32. */
    public Tensor steps() {
        return steps;
    }

    @Override
    public void close() {
        owner.close();
    }
}
