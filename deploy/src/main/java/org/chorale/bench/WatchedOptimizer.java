// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.bytedeco.pytorch.Tensor;
import org.chorale.training.optimizer.Optimizer;
import org.chorale.training.optimizer.OptimizerConfig;

/**
 * An optimizer around whose steps the gradients are looked at, which are gone when the step ends.
 *
 * @param before told what the gradients are divided by
 */
record WatchedOptimizer(Optimizer optimizer, Consumer<Tensor> before, Runnable afterwards) implements Optimizer {
    @Override
    public void step(double learningRate, Tensor divisor, Tensor notFinite) {
        before.accept(divisor);
        optimizer.step(learningRate, divisor, notFinite);
        afterwards.run();
    }

    @Override
    public OptimizerConfig.Algorithm type() {
        return optimizer.type();
    }

    @Override
    public Map<String, List<Tensor>> moments() {
        return optimizer.moments();
    }

    @Override
    public Map<String, Tensor> counters() {
        return optimizer.counters();
    }

    @Override
    public void close() {
        optimizer.close();
    }
}
