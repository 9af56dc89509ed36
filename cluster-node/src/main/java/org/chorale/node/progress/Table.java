// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.progress;

import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** Rows below a line of headings, in columns that are as wide as they must be. */
final class Table {
    private static final int GAP = 2;

    private Table() {}

    /** @param rows each with as many cells as there are headings */
    static List<String> lines(List<String> headings, Stream<List<String>> rows) {
        List<List<String>> all = Stream.concat(Stream.of(headings), rows).toList();
        int[] widths = IntStream.range(0, headings.size())
                .map(column -> all.stream()
                        .mapToInt(row -> row.get(column).length())
                        .max()
                        .orElse(0))
                .toArray();
        return all.stream().map(row -> line(row, widths)).toList();
    }

    private static String line(List<String> row, int[] widths) {
        StringBuilder line = new StringBuilder();
        for (int column = 0; column < widths.length; column++) {
            String cell = row.get(column);
            line.append(cell).append(" ".repeat(widths[column] - cell.length() + GAP));
        }
        return line.toString().stripTrailing();
    }
}
