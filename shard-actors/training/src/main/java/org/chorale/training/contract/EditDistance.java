// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.contract;

/** Levenshtein's distance: the least insertions, removals and replacements that turn one text into another. */
final class EditDistance {
    /** Longer texts are compared by their beginnings, which is enough to tell keys apart. */
    private static final int MAX_CHARS = 100;

    private EditDistance() {}

    static int between(String a, String b) {
        int columns = Math.min(b.length(), MAX_CHARS);
        int[] above = new int[columns + 1];
        for (int j = 0; j <= columns; j++) {
            above[j] = j;
        }
        for (int i = 1; i <= Math.min(a.length(), MAX_CHARS); i++) {
            int[] row = new int[columns + 1];
            row[0] = i;
            for (int j = 1; j <= columns; j++) {
                int replaced = above[j - 1] + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                row[j] = Math.min(replaced, 1 + Math.min(above[j], row[j - 1]));
            }
            above = row;
        }
        return above[columns];
    }
}
