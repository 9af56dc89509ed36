// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/**
 * One forward pass's sequences in host memory: B sequences of T tokens, right-padded, row by row.
 *
 * @param tokens B·T ids
 * @param labels B·T ids, each at its own token's place; {@link #IGNORED} where nothing counts
 * @param keyMask B·T, 0 where no token may see this one; null where the padding, if any, is all on the right
 * @param packing which documents a sequence is made of; null where it is one
 * @param lengths B, tokens of each sequence without its padding on the right
 * @param samples B, a number for each sequence that keys its random numbers: the same whenever the run sees it
 */
@SuppressWarnings("ArrayRecordComponent") // owned by the batch, never changed
public record MicroBatch(
        int sequences,
        int width,
        long[] tokens,
        long[] labels,
        long @Nullable [] keyMask,
        @Nullable Packing packing,
        long[] lengths,
        long[] samples) {
    /** Transformers' label of what does not count. */
    public static final long IGNORED = -100;

    /**
     * Several documents in one sequence: a token sees its own only. The label of each document's first token is
     * {@link #IGNORED}.
     *
     * @param positions B·T, of each token in its document, from 0
     * @param documents B·T, the document's number in its sequence, from 0; -1 for padding
     */
    @SuppressWarnings("ArrayRecordComponent") // owned by the batch, never changed
    public record Packing(long[] positions, long[] documents) {}

    public MicroBatch {
        boolean fits = tokens.length == sequences * width && labels.length == tokens.length;
        if (!fits || lengths.length != sequences || samples.length != sequences) {
            throw new IllegalArgumentException(
                    "%d sequences of %d tokens, but %d ids, %d labels, %d lengths and %d samples"
                            .formatted(sequences, width, tokens.length, labels.length, lengths.length, samples.length));
        }
    }

    /** Sequences without padding that are told apart by their row alone. */
    public MicroBatch(
            int sequences,
            int width,
            long[] tokens,
            long[] labels,
            long @Nullable [] keyMask,
            @Nullable Packing packing) {
        this(
                sequences,
                width,
                tokens,
                labels,
                keyMask,
                packing,
                LongStream.generate(() -> width).limit(sequences).toArray(),
                LongStream.range(0, sequences).toArray());
    }

    /** Sequences whose padding, if any, is all on the right. */
    public static MicroBatch rightPadded(int sequences, int width, long[] tokens, long[] labels) {
        return new MicroBatch(sequences, width, tokens, labels, null, null);
    }

    /** The same, with a number for each sequence that stays with it however the run's batches are cut. */
    public MicroBatch withSamples(long[] numbers) {
        return new MicroBatch(sequences, width, tokens, labels, keyMask, packing, lengths, numbers);
    }

    /** The same, with so many tokens in each sequence and padding behind them. */
    public MicroBatch withLengths(long[] numbers) {
        return new MicroBatch(sequences, width, tokens, labels, keyMask, packing, numbers, samples);
    }

    /** B·T, 1 where there is a token and 0 where there is padding. */
    public long[] realTokens() {
        long[] real = new long[tokens.length];
        for (int i = 0; i < real.length; i++) {
            boolean within = i % width < lengths[i / width]
                    && (keyMask == null || keyMask[i] != 0)
                    && (packing == null || packing.documents()[i] >= 0);
            real[i] = within ? 1 : 0;
        }
        return real;
    }

    /** Rows whose next token is a label that counts: the only ones whose logits the loss reads. */
    public long[] predictingRows() {
        return LongStream.range(0, tokens.length)
                .filter(row -> (row + 1) % width != 0 && labels[(int) row + 1] != IGNORED)
                .toArray();
    }

    /** The label that each of {@link #predictingRows} predicts. */
    public long[] targets() {
        return LongStream.of(predictingRows()).map(row -> labels[(int) row + 1]).toArray();
    }
}
