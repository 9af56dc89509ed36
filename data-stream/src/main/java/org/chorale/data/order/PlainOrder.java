// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.order;

import java.util.stream.LongStream;

/**
 * Every example is a sequence of its own, and a step takes the next of them.
 *
 * @param order of the examples
 * @param globalBatch sequences per step over all ranks
 */
public record PlainOrder(EpochOrder order, int globalBatch) implements BatchOrder {
    public PlainOrder {
        schedule(order, globalBatch);
    }

    @Override
    public StepSequences step(long step, int rank, int worldSize) {
        Schedule schedule = schedule(order, globalBatch);
        Positions whole = schedule.positions(step);
        Positions positions = whole.slice(rank, worldSize);
        long[][] sequences = LongStream.range(positions.from(), positions.from() + positions.count())
                .mapToObj(position -> new long[] {order.example(positions.epoch(), position)})
                .toArray(long[][]::new);
        return new StepSequences(schedule.epochsAfter(step), whole.largestSlice(worldSize), sequences);
    }

    @Override
    public long stepsOf(long epoch) {
        return schedule(order, globalBatch).stepsPerEpoch();
    }

    private static Schedule schedule(EpochOrder order, int globalBatch) {
        return new Schedule(order.positions(), globalBatch);
    }
}
