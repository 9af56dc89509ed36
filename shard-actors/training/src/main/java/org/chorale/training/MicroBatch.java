// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.List;
import java.util.stream.IntStream;
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
 * @param numbers of examples that are numbers and have no tokens, so that T is 0; else empty
 * @param samples B, a number for each sequence that keys its random numbers: the same whenever the run sees it
 * @param roles B, what each sequence is in a preference; empty where there are none
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
        List<Numbers> numbers,
        long[] samples,
        List<Role> roles) {
    /** What a sequence is to its example, both of whose sequences stand together in this order. */
    public enum Role {
        CHOSEN,
        REJECTED,
        DESIRABLE,
        UNDESIRABLE,
        /** Beside one of the last two: the answer of another example to the same prompt. */
        MISMATCHED
    }

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

    /**
     * One field of examples that are numbers.
     *
     * @param width N, numbers of each example
     * @param values B·N
     */
    @SuppressWarnings("ArrayRecordComponent") // owned by the batch, never changed
    public record Numbers(String name, int width, float[] values) {}

    public MicroBatch {
        numbers = List.copyOf(numbers);
        roles = List.copyOf(roles);
        boolean fits = tokens.length == sequences * width && labels.length == tokens.length;
        if (!fits || lengths.length != sequences || samples.length != sequences) {
            throw new IllegalArgumentException(
                    "%d sequences of %d tokens, but %d ids, %d labels, %d lengths and %d samples"
                            .formatted(sequences, width, tokens.length, labels.length, lengths.length, samples.length));
        }
        if (!roles.isEmpty() && roles.size() != sequences) {
            throw new IllegalArgumentException("%d sequences have %d roles".formatted(sequences, roles.size()));
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
                List.of(),
                LongStream.range(0, sequences).toArray(),
                List.of());
    }

    /** Sequences whose padding, if any, is all on the right. */
    public static MicroBatch rightPadded(int sequences, int width, long[] tokens, long[] labels) {
        return new MicroBatch(sequences, width, tokens, labels, null, null);
    }

    /** Examples that are numbers. */
    public static MicroBatch ofNumbers(int examples, List<Numbers> numbers) {
        for (Numbers field : numbers) {
            if (field.values().length != examples * field.width()) {
                throw new IllegalArgumentException("%d examples of %d numbers, but %d of %s"
                        .formatted(examples, field.width(), field.values().length, field.name()));
            }
        }
        long[] none = new long[0];
        long[] rows = LongStream.range(0, examples).toArray();
        return new MicroBatch(examples, 0, none, none, null, null, new long[examples], numbers, rows, List.of());
    }

    /** The same, with a number for each sequence that stays with it however the run's batches are cut. */
    public MicroBatch withSamples(long[] ofSequences) {
        return new MicroBatch(sequences, width, tokens, labels, keyMask, packing, lengths, numbers, ofSequences, roles);
    }

    /** The same, with so many tokens in each sequence and padding behind them. */
    public MicroBatch withLengths(long[] ofSequences) {
        return new MicroBatch(sequences, width, tokens, labels, keyMask, packing, ofSequences, numbers, samples, roles);
    }

    /** The same, as examples of preferences. */
    public MicroBatch withRoles(List<Role> given) {
        return new MicroBatch(sequences, width, tokens, labels, keyMask, packing, lengths, numbers, samples, given);
    }

    /** Every second sequence, no wider than the longest of them. */
    MicroBatch everySecond(int first) {
        int[] kept = IntStream.range(0, sequences / 2).map(i -> 2 * i + first).toArray();
        int narrow = (int) IntStream.of(kept).mapToLong(i -> lengths[i]).reduce(1, Math::max);
        long[] keptTokens = new long[kept.length * narrow];
        long[] keptLabels = new long[kept.length * narrow];
        for (int i = 0; i < kept.length; i++) {
            System.arraycopy(tokens, kept[i] * width, keptTokens, i * narrow, narrow);
            System.arraycopy(labels, kept[i] * width, keptLabels, i * narrow, narrow);
        }
        return rightPadded(kept.length, narrow, keptTokens, keptLabels)
                .withLengths(IntStream.of(kept).mapToLong(i -> lengths[i]).toArray())
                .withSamples(IntStream.of(kept).mapToLong(i -> samples[i]).toArray())
                .withRoles(IntStream.of(kept).mapToObj(roles::get).toList());
    }

    /** Labels of each sequence that count, B. */
    public long[] trainedTokens() {
        long[] counts = new long[sequences];
        for (long row : predictingRows()) {
            counts[(int) row / width]++;
        }
        return counts;
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
