// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.optimizer;

import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.chorale.training.shard.FlatGroup;

/** Moves the trained buffers of a shard against their gradients. */
public interface Optimizer extends AutoCloseable {
    /**
     * The optimizer that a configuration asks for.
     *
     * @param groups the buffers that it moves; every one is trained
     * @throws IllegalArgumentException where an entry of {@code optimizer.groups} gets no parameter
     */
    static Optimizer of(OptimizerConfig config, List<FlatGroup> groups) {
        return switch (config.type()) {
            case ADAMW, ADAM -> new AdamW(config, groups);
            case SGD -> new Sgd(config, groups);
            case LION -> new Lion(config, groups);
        };
    }

    /**
     * Takes one step with the gradients that stand in the groups, and rounds the moved weights into the groups' values.
     *
     * @param learningRate of this step, before any factor of a parameter group
     * @param divisor [1] fp32: gradients are divided by it first (and may be left divided)
     * @param notFinite [1] fp32: 1 where the step must not happen, 0 elsewhere; the host has not looked
     */
    void step(double learningRate, Tensor divisor, Tensor notFinite);

    OptimizerConfig.Algorithm type();

    /** State in the shape and dtype of the master weights: by kind, such as {@code adam.m}, a flat tensor for each group. */
    Map<String, List<Tensor>> moments();

    /** The rest of the state, by name, such as {@code adam.steps}. */
    Map<String, Tensor> counters();

    @Override
    void close();
}
