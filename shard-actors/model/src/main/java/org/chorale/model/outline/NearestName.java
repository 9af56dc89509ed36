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
     * The nearest of some names; of several the first.
     *
     * @throws java.util.NoSuchElementException where there are none
     */
    public static String to(String written, Collection<String> names) {
        return names.stream()
                .distinct()
                .min(Comparator.comparingInt(name -> distance(written, name)))
                .orElseThrow();
    }

    /**
     * The nearest of the ends of some names, of as many parts as what was written has: {@code q_proj} for
     * {@code q_prj}, where the names are those of all modules.
     *
     * @throws java.util.NoSuchElementException where there are none
     */
    public static String amongEnds(String written, Collection<String> names) {
        return to(written, names.stream().map(name -> end(name, parts(written))).toList());
    }

    private static int parts(String name) {
        return 1 + (int) name.chars().filter(c -> c == '.').count();
    }

    private static String end(String name, int parts) {
        int start = name.length();
        for (int i = 0; i < parts && start >= 0; i++) {
            start = name.lastIndexOf('.', start - 1);
        }
        return name.substring(start + 1);
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
