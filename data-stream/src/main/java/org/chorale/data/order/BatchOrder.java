// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.order;

import java.math.BigDecimal;
import java.math.RoundingMode;

/**
 * Which examples a step takes, and how they stand in sequences: a pure function of seed, examples and step, the same for
 * any number of ranks and wherever a run begins. Steps count from 1 and go on over the end of an epoch; an epoch's last
 * step is short, so that no step mixes two epochs. Safe to use from many threads.
 */
public interface BatchOrder {
    /** A rank's neighbouring part of a step. */
    StepSequences step(long step, int rank, int worldSize);

    /** Steps of one epoch, from 0. */
    long stepsOf(long epoch);

    /**
     * Steps of {@code epochs} passes: those of the whole epochs, and of the last one its share, rounded up. Exact in
     * decimals: 1.1 epochs of 10 steps are 11 steps, though 1.1 * 10 is a little more in binary.
     */
    default long steps(BigDecimal epochs) {
        long whole = epochs.longValue();
        long steps = 0;
        for (long epoch = 0; epoch < whole; epoch++) {
            steps = Math.addExact(steps, stepsOf(epoch));
        }
        BigDecimal share = epochs.subtract(BigDecimal.valueOf(whole));
        return share.signum() == 0
                ? steps
                : share.multiply(BigDecimal.valueOf(stepsOf(whole)))
                        .setScale(0, RoundingMode.CEILING)
                        .add(BigDecimal.valueOf(steps))
                        .longValueExact();
    }
}
