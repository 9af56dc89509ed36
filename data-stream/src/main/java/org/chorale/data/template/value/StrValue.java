// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.value;

import java.util.Iterator;
import org.chorale.data.template.limit.Budget;

/** A text. Python counts its characters by code points, Java by UTF-16 units. */
public final class StrValue implements Value {
    public static final StrValue EMPTY = new StrValue("", false);

    private final String text;
    private final boolean markup;
    private int length = -1; // counted when first asked for; racing threads count the same

    private StrValue(String text, boolean markup) {
        this.text = text;
        this.markup = markup;
    }

    public static StrValue of(String text) {
        return text.isEmpty() ? EMPTY : new StrValue(text, false);
    }

    /** A text that needs no escaping: what is added to it is escaped. */
    public static StrValue markup(String text) {
        return new StrValue(text, true);
    }

    /** Another text that is as safe as this one. */
    public StrValue like(String other) {
        return markup ? markup(other) : of(other);
    }

    public String text() {
        return text;
    }

    public boolean isMarkup() {
        return markup;
    }

    @Override
    public String typeName() {
        return markup ? "Markup" : "str";
    }

    @Override
    public void appendText(TextBuilder out) {
        out.append(text);
    }

    @Override
    public void appendRepr(TextBuilder out) {
        out.append(markup ? "Markup(" : "");
        TextRepr.append(text, out);
        out.append(markup ? ")" : "");
    }

    @Override
    public String text(Budget budget) {
        return text;
    }

    @Override
    public boolean isTrue() {
        return !text.isEmpty();
    }

    @Override
    public boolean hasLength() {
        return true;
    }

    @Override
    public int length() {
        if (length < 0) {
            length = text.codePointCount(0, text.length());
        }
        return length;
    }

    /** Where the character with this index begins in {@link #text}. */
    public int unit(int index) {
        return length() == text.length() ? index : text.offsetByCodePoints(0, index);
    }

    /** The index of the character that begins at a place of {@link #text}. */
    public int index(int unit) {
        return length() == text.length() ? unit : text.codePointCount(0, unit);
    }

    /** The characters {@code from} until {@code until}. */
    public StrValue slice(int from, int until) {
        return like(text.substring(unit(from), unit(until)));
    }

    @Override
    public boolean isIterable() {
        return true;
    }

    @Override
    public Iterator<Value> iterator() {
        return new Iterator<>() {
            private int next;

            @Override
            public boolean hasNext() {
                return next < text.length();
            }

            @Override
            public Value next() {
                int from = next;
                next = text.offsetByCodePoints(from, 1);
                return of(text.substring(from, next));
            }
        };
    }
}
