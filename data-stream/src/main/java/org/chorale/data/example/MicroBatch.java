// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.example;

import java.util.List;
import org.chorale.data.source.NumberFields;
import org.chorale.proto.batch.Batch;

/**
 * Examples of one forward pass as a batch, with what is known of them.
 *
 * @param tokens without padding
 * @param tokensCut tokens that did not fit into a sequence, at least
 */
public record MicroBatch(Batch batch, long tokens, long tokensCut) {
    /** Each example is a sequence; shorter ones are filled with a token whose label is ignored. */
    public static MicroBatch of(List<TokenizedExample> examples, long padToken) {
        return filled(examples.stream().map(List::of).toList(), padToken, false);
    }

    /** Each sequence is several examples, one behind the other, with the columns that keep them apart. */
    public static MicroBatch packed(List<List<TokenizedExample>> sequences, long padToken) {
        return filled(sequences, padToken, true);
    }

    /** Examples that are numbers, which have no tokens. */
    public static MicroBatch ofNumbers(List<TokenizedExample> examples, NumberFields fields) {
        return new MicroBatch(NumberColumns.batch(examples, fields), 0, 0);
    }

    private static MicroBatch filled(List<List<TokenizedExample>> sequences, long padToken, boolean packed) {
        int width = sequences.stream().mapToInt(MicroBatch::length).reduce(1, Math::max);
        BatchColumns columns = new BatchColumns(sequences.size(), width, padToken, packed);
        for (int row = 0; row < sequences.size(); row++) {
            int at = row * width;
            int document = 0;
            for (TokenizedExample example : sequences.get(row)) {
                columns.put(example, at, document++);
                at += example.tokens().length;
            }
        }
        List<TokenizedExample> examples =
                sequences.stream().flatMap(List::stream).toList();
        return new MicroBatch(
                columns.batch(),
                examples.stream().mapToLong(example -> example.tokens().length).sum(),
                examples.stream().mapToLong(TokenizedExample::tokensCut).sum());
    }

    private static int length(List<TokenizedExample> sequence) {
        return sequence.stream().mapToInt(example -> example.tokens().length).sum();
    }
}
