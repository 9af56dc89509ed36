// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.example;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.chorale.data.source.NumberFields;
import org.chorale.proto.batch.Batch;
import org.chorale.proto.batch.Column;
import org.chorale.proto.batch.SourceCount;

/**
 * Examples of one forward pass as a batch, with what is known of them.
 *
 * @param tokens without padding
 * @param tokensCut tokens that did not fit into a sequence, at least
 * @param sources what of them is of each source; empty where that is not counted
 */
public record MicroBatch(Batch batch, long tokens, long tokensCut, List<SourceCount> sources) {
    private MicroBatch(Batch batch, long tokens, long tokensCut) {
        this(batch, tokens, tokensCut, List.of());
    }

    /** The same with what is of each source. */
    public MicroBatch withSources(List<SourceCount> counted) {
        return new MicroBatch(batch, tokens, tokensCut, counted);
    }

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

    /** Each example is two sequences, which have their roles and come one after the other. */
    public static MicroBatch preferences(List<TokenizedExample> examples, long padToken) {
        List<TokenizedExample> rows = TokenizedExample.sequences(examples).toList();
        MicroBatch plain = of(rows, padToken);
        List<Column> columns = new ArrayList<>(plain.batch.columns());
        long[] numbers = IntStream.range(0, examples.size())
                .boxed()
                .flatMapToLong(
                        number -> examples.get(number).sequences().stream().mapToLong(row -> number))
                .toArray();
        long[] roles = rows.stream().mapToLong(MicroBatch::roleCode).toArray();
        columns.add(Column.ofLongs(Batch.EXAMPLES, numbers, numbers.length));
        columns.add(Column.ofLongs(Batch.ROLES, roles, roles.length));
        return new MicroBatch(new Batch(columns), plain.tokens, plain.tokensCut);
    }

    private static long roleCode(TokenizedExample row) {
        if (row.role() == null) {
            throw new IllegalArgumentException("a sequence without a role among preferences");
        }
        return row.role().code();
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
