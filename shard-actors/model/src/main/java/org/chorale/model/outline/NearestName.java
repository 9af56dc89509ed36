// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.outline;

import java.util.Collection;
import java.util.Comparator;

/** Finds what a user probably meant: the name that takes the fewest changed characters. */
public final class NearestName {
    /** Longer ones are compared by their beginnings: a message is not worth more time. */
    private static final int MAX_CHARS = 200;

    private NearestName() {}

    /**
     * The nearest of some names.
     *
     * @throws java.util.NoSuchElementException where there are none
     */
    public static String to(String written, Collection<String> names) {
        return names.stream()
                .distinct()
                .min(Comparator.comparingInt(name -> distance(written, name)))
                .orElseThrow();
    }

    /** Levenshtein's: insertions, deletions and replacements. */
    private static int distance(String a, String b) {
        String from = a.substring(0, Math.min(a.length(), MAX_CHARS));
        String to = b.substring(0, Math.min(b.length(), MAX_CHARS));
        int[] row = new int[to.length() + 1];
        for (int j = 0; j < row.length; j++) {
            row[j] = j;
        }
        for (int i = 1; i <= from.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j < row.length; j++) {
                int replaced = diagonal + (from.charAt(i - 1) == to.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(replaced, 1 + Math.min(row[j], row[j - 1]));
            }
        }
        return row[to.length()];
    }
}
