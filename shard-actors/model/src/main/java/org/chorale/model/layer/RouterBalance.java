// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * How evenly the routers of mixtures spread the rows of a pass over E experts: a forward counts it, and a backward adds
 * what a loss makes of it.
 *
 * @param counted [R, 1]: 1 for rows that count, 0 for padding
 * @param sums [2, E] fp64, to which every router adds: the rows that it sent to each expert, and the probabilities that it
 *     gave it; null where nothing is counted
 * @param slope [1, E]: the loss's gradient by each counted row's probabilities, the same for all
 *     routers; null where there is none
 */
public record RouterBalance(
        Tensor counted, @Nullable Tensor sums, @Nullable Tensor slope) {
    /** Of a forward. */
    public static RouterBalance counting(Tensor counted, Tensor sums) {
        return new RouterBalance(counted, sums, null);
    }

    /** Of a backward. */
    public static RouterBalance correcting(Tensor counted, Tensor slope) {
        return new RouterBalance(counted, null, slope);
    }

    /**
     * Counts what a router did.
     *
     * @param probabilities [R, E]
     * @param experts [R, k], those that each row was sent to
     */
    void count(Tensor probabilities, Tensor experts) {
        if (sums == null) {
            return;
        }
        try (TensorScope scope = new TensorScope()) {
            Tensor sent = torch.zeros_like(probabilities).scatter_(1, experts, Scalars.of(1));
            Tensor ofRows = counted.to(probabilities.scalar_type()).t(); // [1, R]
            sums.select(0, 0).add_(ofRows.mm(sent).view(-1));
            sums.select(0, 1).add_(ofRows.mm(probabilities).view(-1));
        }
    }

    /** @param gradient [R, E] of the probabilities, added to */
    void addTo(Tensor gradient) {
        if (slope == null) {
            return;
        }
        try (TensorScope scope = new TensorScope()) {
            gradient.addmm_(counted.to(gradient.scalar_type()), slope.to(gradient.scalar_type()));
        }
    }
}
