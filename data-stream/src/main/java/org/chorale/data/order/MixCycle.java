// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.order;

import java.util.Arrays;

/**
 * The order in which sources take turns, a cycle that is repeated without end: in a cycle of {@code D = Σ parts}
 * positions source i has its {@code parts[i]} turns, and after any number of positions p it has had less than one turn
 * more or less than its exact share, {@code p · parts[i] / D}.
 *
 * <p>Turn r of a source may come from position {@code floor(r · D / parts)} on and must have come before
 * {@code ceil((r + 1) · D / parts)}, which bounds the difference; of the turns that may come, the one that must come
 * first is taken. A cycle has room for all of them (earliest deadline first is optimal for turns of one position; Baruah
 * et al. 1996 call such a schedule P-fair).
 */
final class MixCycle {
    /** Of a cycle, which is held in memory. */
    static final int MAX_POSITIONS = 1 << 16;

    private final int[] sourceAt; // of each position of a cycle
    private final int[] turnAt; // of each position: how many turns its source had before, in the cycle
    private final int[][] positionsOf; // of each source, the positions of its turns

    /** @param parts turns of each source in a cycle, each at least 1, together at most {@link #MAX_POSITIONS} */
    MixCycle(int[] parts) {
        int length = Math.toIntExact(Arrays.stream(parts).asLongStream().sum());
        if (length > MAX_POSITIONS || Arrays.stream(parts).anyMatch(part -> part < 1)) {
            throw new IllegalArgumentException("parts %s: must be at least 1, together at most %d"
                    .formatted(Arrays.toString(parts), MAX_POSITIONS));
        }
        sourceAt = new int[length];
        turnAt = new int[length];
        positionsOf = Arrays.stream(parts).mapToObj(int[]::new).toArray(int[][]::new);
        int[] taken = new int[parts.length];
        for (int position = 0; position < length; position++) {
            int source = mostUrgent(parts, taken, position);
            sourceAt[position] = source;
            turnAt[position] = taken[source];
            positionsOf[source][taken[source]++] = position;
        }
    }

    /** Of equals the first. */
    private int mostUrgent(int[] parts, int[] taken, int position) {
        int found = -1;
        long earliest = Long.MAX_VALUE;
        for (int source = 0; source < parts.length; source++) {
            long from = (long) taken[source] * sourceAt.length / parts[source];
            long deadline = -Math.floorDiv(-(taken[source] + 1L) * sourceAt.length, (long) parts[source]);
            if (from <= position && deadline < earliest) {
                found = source;
                earliest = deadline;
            }
        }
        return found;
    }

    /** The source whose turn it is. */
    int source(long position) {
        return sourceAt[(int) (position % sourceAt.length)];
    }

    /** How many turns the source of this position had before it. */
    long turn(long position) {
        long cycle = position / sourceAt.length;
        int inCycle = (int) (position % sourceAt.length);
        return cycle * positionsOf[sourceAt[inCycle]].length + turnAt[inCycle];
    }

    /** How many turns a source has before a position. */
    long turnsBefore(int source, long position) {
        int[] turns = positionsOf[source];
        int found = Arrays.binarySearch(turns, (int) (position % sourceAt.length));
        return position / sourceAt.length * turns.length + (found >= 0 ? found : -found - 1);
    }

    /** The position of a source's turn, from 0. */
    long position(int source, long turn) {
        int[] turns = positionsOf[source];
        return Math.addExact(
                Math.multiplyExact(turn / turns.length, (long) sourceAt.length), turns[(int) (turn % turns.length)]);
    }
}
