// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.Collection;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.chorale.training.optimizer.Optimizer;
import org.chorale.training.shard.ModelShard;

/**
 * What a rank holds between steps, in bytes, measured from its tensors.
 *
 * @param parameterBytes values, as forward and backward read them, and master weights where they are others
 */
public record Holding(long parameterBytes, long gradientBytes, long optimizerBytes) {
    /** Measures a rank. */
    public static Holding of(ModelShard shard, Optimizer optimizer) {
        long state = Stream.concat(
                        optimizer.moments().values().stream().flatMap(Collection::stream),
                        optimizer.counters().values().stream())
                .mapToLong(Tensor::nbytes)
                .sum();
        return new Holding(shard.parameterBytes(), shard.gradientBytes(), state);
    }
}
