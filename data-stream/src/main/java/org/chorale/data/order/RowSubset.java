// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.order;

/**
 * Rows of a source that are used for one purpose: all of them, or those that are held out of the training, or the rest.
 * Which are held out depends on the number of rows and of held-out ones alone, and neither on the run's seed nor on its
 * epoch, so that they are the same on every node, after every start, and for every seed that is tried.
 */
public sealed interface RowSubset {
    /** How many rows are in it. */
    long count();

    /** A row of it, from 0. */
    long row(long number);

    /** Whether a row of the source is in it. */
    boolean contains(long row);

    /** What tells it from others, for the files that depend on it. */
    String identity();

    /** Every row. */
    static RowSubset all(long rows) {
        return new All(rows);
    }

    /** The rows that are held out. */
    static RowSubset heldOut(long rows, long heldOut) {
        return new Part(order(rows), 0, heldOut);
    }

    /** The rows that are not held out. */
    static RowSubset rest(long rows, long heldOut) {
        return heldOut == 0 ? all(rows) : new Part(order(rows), heldOut, rows);
    }

    private static ExampleOrder order(long rows) {
        long seed = 0x686F6C646F7574L; // "holdout"
        return new ExampleOrder(seed, rows);
    }

    /** Every row of a source. */
    record All(long count) implements RowSubset {
        @Override
        public long row(long number) {
            return number;
        }

        @Override
        public boolean contains(long row) {
            return row >= 0 && row < count;
        }

        @Override
        public String identity() {
            return "all";
        }
    }

    /** Rows at neighbouring positions of a permutation. */
    record Part(ExampleOrder order, long from, long until) implements RowSubset {
        @Override
        public long count() {
            return until - from;
        }

        @Override
        public long row(long number) {
            if (number < 0 || number >= count()) {
                throw new IllegalArgumentException("row %d is not in [0, %d)".formatted(number, count()));
            }
            return order.example(0, from + number);
        }

        @Override
        public boolean contains(long row) {
            long position = order.position(0, row);
            return position >= from && position < until;
        }

        @Override
        public String identity() {
            return "%d-%d".formatted(from, until);
        }
    }
}
