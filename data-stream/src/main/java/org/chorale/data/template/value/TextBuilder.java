// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.value;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import java.util.Iterator;
import org.chorale.data.template.limit.Budget;

/** Builds a text within a budget. */
public final class TextBuilder {
    private final StringBuilder text = new StringBuilder();
    private final Budget budget;

    public TextBuilder(Budget budget) {
        this.budget = budget;
    }

    @CanIgnoreReturnValue
    public TextBuilder append(String more) {
        budget.makeChars(more.length());
        text.append(more);
        return this;
    }

    @CanIgnoreReturnValue
    public TextBuilder append(String more, int from, int until) {
        budget.makeChars(until - from);
        text.append(more, from, until);
        return this;
    }

    @CanIgnoreReturnValue
    public TextBuilder append(char more) {
        budget.makeChars(1);
        text.append(more);
        return this;
    }

    @CanIgnoreReturnValue
    public TextBuilder appendCodePoint(int more) {
        budget.makeChars(2);
        text.appendCodePoint(more);
        return this;
    }

    @CanIgnoreReturnValue
    public TextBuilder repeat(String more, long count) {
        long chars = count > Integer.MAX_VALUE ? Long.MAX_VALUE : more.length() * Math.max(0, count);
        budget.makeChars(chars);
        text.append(more.repeat((int) Math.max(0, count)));
        return this;
    }

    /** Writes what a list, tuple or the like holds. */
    void appendAll(String open, Iterator<Value> values, String close) {
        budget.enter();
        append(open);
        for (String separator = ""; values.hasNext(); separator = ", ") {
            budget.step();
            append(separator);
            values.next().appendRepr(this);
        }
        append(close);
        budget.leave();
    }

    Budget budget() {
        return budget;
    }

    public int length() {
        return text.length();
    }

    @Override
    public String toString() {
        return text.toString();
    }
}
