// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.batch;

import java.util.Arrays;
import java.util.List;

/**
 * Everything one rank needs for one optimizer step (or for one pass over a few evaluation examples).
 *
 * @param feed which stream it is part of
 * @param index the step that this batch makes, 1 for the run's first; in an evaluation its own count from 1
 * @param epoch passes over the data once this batch is done
 * @param samples global indices of this rank's examples, in order
 * @param tokens of all micro-batches, without padding
 * @param tokensCut tokens that did not fit into the sequence length
 * @param microBatches at least one; a rank without rows gets one of zero sequences
 * @param last whether the stream ends here
 */
@SuppressWarnings("ArrayRecordComponent") // owned by the batch, never changed
public record StepBatch(
        Feed feed,
        long index,
        double epoch,
        long[] samples,
        long tokens,
        long tokensCut,
        List<Batch> microBatches,
        boolean last) {
    public StepBatch {
        microBatches = List.copyOf(microBatches);
    }

    /** Places for tokens in all micro-batches, padding included. */
    public long places() {
        return microBatches.stream()
                .filter(microBatch -> microBatch.has(Batch.TOKENS))
                .mapToLong(microBatch ->
                        Arrays.stream(microBatch.column(Batch.TOKENS).shape()).reduce(1, Math::multiplyExact))
                .sum();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof StepBatch that
                && feed == that.feed
                && index == that.index
                && epoch == that.epoch
                && Arrays.equals(samples, that.samples)
                && tokens == that.tokens
                && tokensCut == that.tokensCut
                && microBatches.equals(that.microBatches)
                && last == that.last;
    }

    @Override
    public int hashCode() {
        return Long.hashCode(index) * 31 + Arrays.hashCode(samples);
    }
}
