// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

/**
 * A way to train, as one of several that exclude each other.
 *
 * @param factor what the ways are ways of
 * @param keys of a run's configuration, in HOCON
 */
public record Feature(Factor factor, String name, String keys) {
    /** What every run has one feature of. */
    public enum Factor {
        FAMILY,
        ADAPTER,
        PRECISION,
        LOSS,
        SHARDING,
        RECOMPUTE,
        ROWS,
        OPTIMIZER
    }

    @Override
    public String toString() {
        return name;
    }
}
