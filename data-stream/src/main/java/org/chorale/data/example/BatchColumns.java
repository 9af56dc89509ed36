// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.example;

import java.util.Arrays;
import java.util.stream.Stream;
import org.chorale.proto.batch.Batch;
import org.chorale.proto.batch.Column;

/** The arrays of a batch while examples are put into them; all are [B, T], B sequences of T tokens. */
final class BatchColumns {
    private static final long NO_DOCUMENT = -1;

    private final long[] shape;
    private final boolean packed;
    private final long[] tokens;
    private final long[] labels;
    private final long[] lengths; // of each sequence, without padding
    private final long[] positions; // empty unless packed
    private final long[] documents; // empty unless packed

    BatchColumns(int sequences, int width, long padToken, boolean packed) {
        int elements = Math.multiplyExact(sequences, width);
        this.shape = new long[] {sequences, width};
        this.packed = packed;
        tokens = new long[elements];
        labels = new long[elements];
        lengths = new long[sequences];
        positions = new long[packed ? elements : 0];
        documents = new long[packed ? elements : 0];
        Arrays.fill(tokens, padToken);
        Arrays.fill(labels, Batch.IGNORED);
        Arrays.fill(documents, NO_DOCUMENT);
    }

    /**
     * Puts an example where nothing is yet.
     *
     * @param document its number in its sequence
     */
    void put(TokenizedExample example, int at, int document) {
        int length = example.tokens().length;
        System.arraycopy(example.tokens(), 0, tokens, at, length);
        System.arraycopy(example.labels(), 0, labels, at, length);
        if (length > 0) {
            lengths[at / (int) shape[1]] += length;
        }
        if (packed && length > 0) {
            labels[at] = Batch.IGNORED; // what stands before a document must not predict it
            Arrays.fill(documents, at, at + length, document);
            for (int i = 0; i < length; i++) {
                positions[at + i] = i;
            }
        }
    }

    Batch batch() {
        Stream<Column> always = Stream.of(
                column(Batch.TOKENS, tokens),
                column(Batch.LABELS, labels),
                Column.ofLongs(Batch.LENGTHS, lengths, lengths.length));
        Stream<Column> whenPacked = packed
                ? Stream.of(column(Batch.POSITIONS, positions), column(Batch.DOCUMENTS, documents))
                : Stream.empty();
        return new Batch(Stream.concat(always, whenPacked).toList());
    }

    private Column column(String name, long[] values) {
        return Column.ofLongs(name, values, shape.clone());
    }
}
