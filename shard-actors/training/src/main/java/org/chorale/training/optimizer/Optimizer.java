// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.optimizer;

import org.bytedeco.pytorch.Tensor;

/** Moves the trainable buffers of a shard against their gradients. */
public interface Optimizer extends AutoCloseable {
    /**
     * Takes one step with the gradients that stand in the groups.
     *
     * @param learningRate of this step, before any factor of a parameter group
     * @param divisor [1] fp32: gradients are divided by it first (and may be left divided)
     * @param notFinite [1] fp32: 1 where the step must not happen, 0 elsewhere; the host has not looked
     */
    void step(double learningRate, Tensor divisor, Tensor notFinite);

    @Override
    void close();
}
