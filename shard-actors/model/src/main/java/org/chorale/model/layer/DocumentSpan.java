// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Documents of equal length that lie one behind the other in the rows of a packed forward pass.
 *
 * @param row where the first begins
 * @param tokens of each
 * @param documents how many there are
 */
public record DocumentSpan(long row, long tokens, long documents) {
    /** All rows that the documents take. */
    long rows() {
        return tokens * documents;
    }

    /**
     * The documents of packed sequences, in the order of the rows; padding is in none.
     *
     * @param tokens T, of each sequence
     * @param documents B·T, the document's number in its sequence; below 0 for padding
     */
    public static List<DocumentSpan> of(long tokens, long[] documents) {
        List<DocumentSpan> spans = new ArrayList<>();
        int[] bounds = bounds(tokens, documents);
        for (int run = 1; run < bounds.length; run++) {
            int begin = bounds[run - 1];
            if (documents[begin] >= 0) {
                append(spans, begin, bounds[run] - begin);
            }
        }
        return List.copyOf(spans);
    }

    /** The row where each document or run of padding begins, and the end of the rows. */
    static int[] bounds(long tokens, long[] documents) {
        return IntStream.rangeClosed(0, documents.length)
                .filter(row -> row % tokens == 0 || row == documents.length || documents[row] != documents[row - 1])
                .toArray();
    }

    private static void append(List<DocumentSpan> spans, long row, long tokens) {
        int last = spans.size() - 1;
        if (last >= 0) {
            DocumentSpan before = spans.get(last);
            if (before.tokens == tokens && before.row + before.rows() == row) {
                spans.set(last, new DocumentSpan(before.row, tokens, before.documents + 1));
                return;
            }
        }
        spans.add(new DocumentSpan(row, tokens, 1));
    }
}
