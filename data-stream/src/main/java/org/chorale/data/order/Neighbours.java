// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.order;

import java.util.stream.IntStream;

/**
 * The example beside each: the next of the same step over all ranks, and the first beside the last; beside the only one
 * of a step, the first of the next step. So who is beside whom does not depend on the ranks.
 */
public final class Neighbours {
    private Neighbours() {}

    /**
     * Of a rank's part of a step, in order.
     *
     * @param order in which every sequence is one example
     */
    public static long[] of(BatchOrder order, long step, int rank, int worldSize) {
        long[] whole = order.step(step, 0, 1).examples();
        Positions mine = new Positions(0, 0, whole.length).slice(rank, worldSize);
        return IntStream.range(0, mine.count())
                .mapToLong(i -> whole.length == 1
                        ? order.step(step + 1, 0, 1).examples()[0]
                        : whole[(int) ((mine.from() + i + 1) % whole.length)])
                .toArray();
    }
}
