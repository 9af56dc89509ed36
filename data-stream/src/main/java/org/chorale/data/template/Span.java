// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template;

/**
 * A part of a text.
 *
 * @param from the first UTF-16 unit
 * @param until the one behind the last
 */
public record Span(int from, int until) {
    boolean overlaps(Span other) {
        return from < other.until && other.from < until;
    }

    boolean isEmpty() {
        return from >= until;
    }

    String of(String text) {
        return text.substring(from, until);
    }
}
