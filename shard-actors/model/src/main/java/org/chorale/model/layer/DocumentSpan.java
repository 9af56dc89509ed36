// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import java.util.ArrayList;
import java.util.List;

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
        int begin = 0;
        for (int row = 1; row <= documents.length; row++) {
            if (row == documents.length || row % tokens == 0 || documents[row] != documents[begin]) {
                if (documents[begin] >= 0) {
                    append(spans, begin, row - begin);
                }
                begin = row;
            }
        }
        return List.copyOf(spans);
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
