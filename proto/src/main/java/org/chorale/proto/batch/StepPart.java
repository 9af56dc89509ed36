// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.batch;

/**
 * A {@link StepBatch} as it travels: one micro-batch at a time, so that what is sent at once is bounded by the micro-batch
 * and not by the step.
 *
 * @param part a batch of one micro-batch, with its share of samples and tokens
 * @param endsStep whether the step is whole with it
 */
public record StepPart(StepBatch part, boolean endsStep) {
    public StepPart {
        if (part.microBatches().size() != 1) {
            throw new IllegalArgumentException("a part of step %d with %d micro-batches, not one"
                    .formatted(part.index(), part.microBatches().size()));
        }
    }
}
