// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.builtin;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.value.Blanks;
import org.chorale.data.template.value.Search;

/** Cuts a text at a separator or at white space, at most {@code limit} times. */
final class TextSplit {
    private final String text;
    private final int limit;
    private final Budget budget;
    private final List<String> parts = new ArrayList<>();

    TextSplit(String text, int limit, Budget budget) {
        this.text = text;
        this.limit = limit;
        this.budget = budget;
    }

    List<String> at(String separator) {
        int from = 0;
        for (Iterator<Integer> all = Search.all(text, separator, budget); all.hasNext() && parts.size() < limit; ) {
            int found = all.next();
            add(from, found);
            from = found + separator.length();
        }
        add(from, text.length());
        return parts;
    }

    /** From the last separator back. Separators that overlap are told apart from the end, too. */
    List<String> fromEnd(String separator) {
        String mirrored = new StringBuilder(text).reverse().toString();
        budget.makeChars(2L * text.length());
        List<String> reversed = new TextSplit(mirrored, limit, budget)
                .at(new StringBuilder(separator).reverse().toString());
        Collections.reverse(reversed);
        reversed.replaceAll(part -> new StringBuilder(part).reverse().toString());
        return reversed;
    }

    List<String> atBlanks() {
        int at = afterBlanks(0);
        while (at < text.length() && parts.size() < limit) {
            int end = at;
            while (end < text.length() && !Blanks.isBlank(text.charAt(end))) {
                end++;
            }
            add(at, end);
            at = afterBlanks(end);
        }
        if (at < text.length()) {
            add(at, text.length()); // the limit leaves the rest as it is, blanks at its end included
        }
        return parts;
    }

    private int afterBlanks(int from) {
        int at = from;
        while (at < text.length() && Blanks.isBlank(text.charAt(at))) {
            at++;
        }
        return at;
    }

    List<String> atBlanksFromEnd() {
        int end = Blanks.stripEnd(text).length();
        while (end > 0 && parts.size() < limit) {
            int from = end;
            while (from > 0 && !Blanks.isBlank(text.charAt(from - 1))) {
                from--;
            }
            add(from, end);
            end = Blanks.stripEnd(text.substring(0, from)).length();
        }
        if (end > 0) {
            add(0, end);
        }
        Collections.reverse(parts);
        return parts;
    }

    private void add(int from, int until) {
        budget.makeElements(1);
        budget.makeChars(until - from);
        parts.add(text.substring(from, until));
    }
}
