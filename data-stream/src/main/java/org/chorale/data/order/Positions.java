// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.order;

/**
 * Neighbouring positions of one epoch.
 *
 * @param epoch from 0
 * @param from the first position, from 0
 * @param count how many; may be 0
 */
public record Positions(long epoch, long from, int count) {
    /** The part that one rank takes: parts are disjoint, in rank order, and differ by one position at most. */
    public Positions slice(int rank, int worldSize) {
        if (rank < 0 || rank >= worldSize) {
            throw new IllegalArgumentException("rank %d is not in [0, %d)".formatted(rank, worldSize));
        }
        long begin = (long) count * rank / worldSize;
        long end = (long) count * (rank + 1) / worldSize;
        return new Positions(epoch, from + begin, (int) (end - begin));
    }

    /** Positions of the rank that takes the most. */
    public int largestSlice(int worldSize) {
        return count == 0 ? 0 : (count - 1) / worldSize + 1;
    }
}
