// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.Collection;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.chorale.training.optimizer.Optimizer;
import org.chorale.training.shard.ModelShard;

/**
 * What a rank holds beside activations and whole buffers, in bytes.
 *
 * @param parameterBytes values, as forward and backward read them, and master weights where they are others
 * @param gradientBytes of this rank's part
 */
public record Holding(long parameterBytes, long gradientBytes, long optimizerBytes) {
    /** While the optimizer works; between steps gradients that come and go are not there. */
    public static Holding of(ModelShard shard, Optimizer optimizer) {
        return holding(shard, shard.gradientBytes(), optimizer);
    }

    /** As it is now, wherever in a step that is. */
    public static Holding now(ModelShard shard, Optimizer optimizer) {
        return holding(shard, shard.presentGradientBytes(), optimizer);
    }

    private static Holding holding(ModelShard shard, long gradientBytes, Optimizer optimizer) {
        long state = Stream.concat(
                        optimizer.moments().values().stream().flatMap(Collection::stream),
                        optimizer.counters().values().stream())
                .mapToLong(Tensor::nbytes)
                .sum();
        return new Holding(shard.parameterBytes(), gradientBytes, state);
    }
}
