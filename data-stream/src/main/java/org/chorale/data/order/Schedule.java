// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.order;

/**
 * Which positions an optimizer step takes. Steps count from 1 and go on over the end of an epoch; an epoch's last step
 * is short where the global batch does not divide the examples, so that no step mixes two epochs.
 *
 * @param examples in an epoch, at least 1
 * @param globalBatch sequences per step over all ranks, at least 1
 */
public record Schedule(long examples, int globalBatch) {
    public Schedule {
        if (examples < 1 || globalBatch < 1) {
            throw new IllegalArgumentException(
                    "%d examples in batches of %d: must be at least 1".formatted(examples, globalBatch));
        }
    }

    /** Steps that see every example once. */
    public long stepsPerEpoch() {
        return (examples - 1) / globalBatch + 1;
    }

    /** What step {@code step} is made of, over all ranks. */
    public Positions positions(long step) {
        if (step < 1) {
            throw new IllegalArgumentException("step " + step + ": steps count from 1");
        }
        long epoch = (step - 1) / stepsPerEpoch();
        long from = (step - 1) % stepsPerEpoch() * globalBatch;
        return new Positions(epoch, from, (int) Math.min(globalBatch, examples - from));
    }

    /** Passes over the data once step {@code step} is done; a whole number at the end of an epoch. */
    public double epochsAfter(long step) {
        Positions positions = positions(step);
        return positions.epoch() + (double) (positions.from() + positions.count()) / examples;
    }
}
