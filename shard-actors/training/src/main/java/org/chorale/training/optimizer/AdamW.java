// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.optimizer;

import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.chorale.training.kernel.AdamKernel;
import org.chorale.training.kernel.AdamRule;
import org.chorale.training.kernel.AdamRun;
import org.chorale.training.kernel.AdamTwin;
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
 * <p>One fused kernel runs over all buffers with the same hyperparameters: on a GPU ours, which rounds the weights into
 * the values as well, and else libtorch's. Whether a step happens at all is decided beside the numbers: where {@code
 * notFinite} is 1, the kernel touches nothing and t does not advance, without the host having looked.
 */
public final class AdamW extends FlatOptimizer {
    /** State: m and v of every weight, and t, the steps that were taken. */
    static final String FIRST_MOMENT = "adam.m";

    static final String SECOND_MOMENT = "adam.v";
    static final String STEPS = "adam.steps";

    private final OptimizerConfig config;
    private final IdentityHashMap<Part, Update> updates = new IdentityHashMap<>();
    private final List<AdamKernel> kernels = new ArrayList<>();
    private final Tensor steps;

    /** The kernel or its twin. */
    private interface Update {
        void step(List<AdamRun> runs, double learningRate, Tensor steps, Tensor divisor, Tensor notFinite);
    }

    /** @param config of type ADAMW or ADAM */
    public AdamW(OptimizerConfig config, List<FlatGroup> groups) {
        super(config, groups, List.of(FIRST_MOMENT, SECOND_MOMENT));
        this.config = config;
        try {
            this.steps = counter(STEPS);
        } catch (RuntimeException e) { // no memory: what was had is given back
            close();
            throw e;
        }
    }

    private Update update(Part part, List<AdamRun> runs) {
        AdamRule rule = rule(part);
        if (AdamKernel.takes(runs)) {
            AdamKernel kernel = new AdamKernel(rule, runs);
            kernels.add(kernel);
            return kernel::step;
        }
        return new AdamTwin(rule)::step;
    }

    private AdamRule rule(Part part) {
        return new AdamRule(
                config.beta1().orElse(0.9),
                config.beta2().orElse(0.999),
                config.epsilon().orElse(1e-8),
                part.hyperparameters().weightDecay(),
                config.type() == Algorithm.ADAM);
    }

    private static List<AdamRun> runs(Part part, List<Tensor> gradients) {
        List<AdamRun> runs = new ArrayList<>();
        for (int i = 0; i < part.weights().size(); i++) {
            runs.add(new AdamRun(
                    part.weights().get(i),
                    gradients.get(i),
                    part.moment(FIRST_MOMENT).get(i),
                    part.moment(SECOND_MOMENT).get(i),
                    part.values().get(i).orElse(null)));
        }
        return runs;
    }

    @Override
    void update(Part part, List<Tensor> gradients, double learningRate, Tensor divisor, Tensor notFinite) {
        List<AdamRun> runs = runs(part, gradients);
        updates.computeIfAbsent(part, first -> update(first, runs)).step(runs, learningRate, steps, divisor, notFinite);
    }

    @Override
    boolean refreshesValues() {
        return kernels.size() == updates.size();
    }

    @Override
    public void close() {
        kernels.forEach(AdamKernel::close);
        super.close();
    }
}
