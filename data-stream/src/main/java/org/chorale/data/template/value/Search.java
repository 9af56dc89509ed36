// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.value;

import java.util.Iterator;
import java.util.NoSuchElementException;
import org.chorale.data.template.limit.Budget;

/** Finds a text in another in time linear in both (Knuth, Morris and Pratt), whatever a template looks for in what. */
public final class Search {
    /** Java's own search takes up to the product of both lengths, which is no matter for short ones. */
    private static final int SHORT_CHARS = 16;

    private Search() {}

    /** Where {@code part} first begins at {@code from} or later; -1 where it does not. */
    public static int indexOf(String text, String part, int from, Budget budget) {
        if (part.length() <= SHORT_CHARS) {
            int found = text.indexOf(part, from);
            budget.scan(found < 0 ? text.length() - from : found - from);
            return found;
        }
        Iterator<Integer> all = new Places(text, part, from, true, budget);
        return all.hasNext() ? all.next() : -1;
    }

    /** Where {@code part} last begins; -1 where it does not. */
    public static int lastIndexOf(String text, String part, Budget budget) {
        if (part.length() <= SHORT_CHARS) {
            budget.scan(text.length());
            return text.lastIndexOf(part);
        }
        int last = -1;
        for (Iterator<Integer> all = new Places(text, part, 0, true, budget); all.hasNext(); ) {
            last = all.next();
        }
        return last;
    }

    /** Where {@code part}, which is not empty, begins, from left to right and never within another that was found. */
    public static Iterator<Integer> all(String text, String part, Budget budget) {
        return new Places(text, part, 0, false, budget);
    }

    /** The places where a part begins, looked for when they are asked for. */
    private static final class Places implements Iterator<Integer> {
        private final String text;
        private final String part;
        private final boolean overlapping;
        private final Budget budget;
        private final int[] borders;
        private int at;
        private int matched;
        private int found;

        Places(String text, String part, int from, boolean overlapping, Budget budget) {
            this.text = text;
            this.part = part;
            this.overlapping = overlapping;
            this.budget = budget;
            this.borders = borders(part, budget);
            this.at = from;
            this.found = seek();
        }

        private int seek() {
            int began = at;
            while (at < text.length() && !matches(text.charAt(at++))) {}
            budget.walk(at - began);
            if (matched < part.length()) {
                return -1;
            }
            matched = overlapping ? borders[matched - 1] : 0;
            return at - part.length();
        }

        /** Whether the part ends with this character. */
        private boolean matches(char c) {
            while (matched > 0 && part.charAt(matched) != c) {
                matched = borders[matched - 1];
            }
            matched += part.charAt(matched) == c ? 1 : 0;
            return matched == part.length();
        }

        @Override
        public boolean hasNext() {
            return found >= 0;
        }

        @Override
        public Integer next() {
            if (found < 0) {
                throw new NoSuchElementException();
            }
            int next = found;
            found = seek();
            return next;
        }
    }

    /** Of each beginning of a text: the length of the longest shorter beginning that it ends with. */
    private static int[] borders(String part, Budget budget) {
        budget.makeChars(2L * part.length());
        int[] borders = new int[part.length()];
        for (int i = 1, length = 0; i < part.length(); i++) {
            while (length > 0 && part.charAt(length) != part.charAt(i)) {
                length = borders[length - 1];
            }
            length += part.charAt(length) == part.charAt(i) ? 1 : 0;
            borders[i] = length;
        }
        return borders;
    }
}
