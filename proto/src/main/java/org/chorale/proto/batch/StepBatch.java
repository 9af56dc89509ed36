// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.batch;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.LongStream;

/**
 * Everything one rank needs for one optimizer step (or for one pass over a few evaluation examples).
 *
 * @param feed which stream it is part of
 * @param index the step that this batch makes, 1 for the run's first; in an evaluation its own count from 1
 * @param epoch passes over the data once this batch is done
 * @param samples global indices of this rank's examples, in order
 * @param tokens of all micro-batches, without padding
 * @param tokensCut tokens that did not fit into the sequence length
 * @param sources what of it is of each training source, in their order; empty where there are not several
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
        List<SourceCount> sources,
        List<Batch> microBatches,
        boolean last) {
    public StepBatch {
        sources = List.copyOf(sources);
        microBatches = List.copyOf(microBatches);
    }

    /** Of a single source. */
    public StepBatch(
            Feed feed,
            long index,
            double epoch,
            long[] samples,
            long tokens,
            long tokensCut,
            List<Batch> microBatches,
            boolean last) {
        this(feed, index, epoch, samples, tokens, tokensCut, List.of(), microBatches, last);
    }

    /** What travels, in order; samples are spread evenly. {@link #join} puts them together again. */
    public List<StepPart> parts() {
        int count = microBatches.size();
        return IntStream.range(0, count)
                .mapToObj(i -> new StepPart(
                        new StepBatch(
                                feed,
                                index,
                                epoch,
                                Arrays.copyOfRange(samples, at(i, count), at(i + 1, count)),
                                i == 0 ? tokens : 0,
                                i == 0 ? tokensCut : 0,
                                i == 0 ? sources : List.of(),
                                List.of(microBatches.get(i)),
                                last),
                        i == count - 1))
                .toList();
    }

    private int at(int part, int parts) {
        return (int) ((long) samples.length * part / parts);
    }

    /** The step that was cut into these. */
    public static StepBatch join(List<StepPart> parts) {
        StepBatch first = parts.get(0).part();
        return new StepBatch(
                first.feed,
                first.index,
                first.epoch,
                parts.stream()
                        .flatMapToLong(part -> LongStream.of(part.part().samples))
                        .toArray(),
                parts.stream().mapToLong(part -> part.part().tokens).sum(),
                parts.stream().mapToLong(part -> part.part().tokensCut).sum(),
                first.sources,
                parts.stream()
                        .flatMap(part -> part.part().microBatches.stream())
                        .toList(),
                first.last);
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
                && sources.equals(that.sources)
                && microBatches.equals(that.microBatches)
                && last == that.last;
    }

    @Override
    public int hashCode() {
        return Long.hashCode(index) * 31 + Arrays.hashCode(samples);
    }
}
