// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.chorale.training.optimizer.Optimizer;
import org.chorale.training.optimizer.OptimizerConfig;

/** Another optimizer, after whose steps a test looks at the gradients, which are gone when the step ends. */
record WatchedOptimizer(Optimizer optimizer, Runnable afterwards) implements Optimizer {
    @Override
    public void step(double learningRate, Tensor divisor, Tensor notFinite) {
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
