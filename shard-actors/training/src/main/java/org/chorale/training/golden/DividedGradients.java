// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.golden;

import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.TensorScope;
import org.chorale.training.optimizer.Optimizer;
import org.chorale.training.optimizer.OptimizerConfig;
import org.chorale.training.shard.FlatGroup;

/** Moves no weight: leaves the gradients of the step's mean loss in the buffers, for a comparison. */
record DividedGradients(List<FlatGroup> groups) implements Optimizer {
    @Override
    public void step(double learningRate, Tensor divisor, Tensor notFinite) {
        try (TensorScope scope = new TensorScope()) {
            groups.forEach(group -> group.gradients().div_(divisor));
        }
    }

    @Override
    public OptimizerConfig.Algorithm type() {
        return OptimizerConfig.Algorithm.SGD;
    }

    @Override
    public Map<String, List<Tensor>> moments() {
        return Map.of();
    }

    @Override
    public Map<String, Tensor> counters() {
        return Map.of();
    }

    @Override
    public void close() {
        // holds nothing
    }
}
