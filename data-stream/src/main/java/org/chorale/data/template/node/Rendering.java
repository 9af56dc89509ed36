// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.node;

import org.chorale.data.template.limit.Budget;
import org.jspecify.annotations.Nullable;

/** One rendering: its budget, where it writes to, and how far it has come. */
public final class Rendering {
    private final Budget budget;
    private final @Nullable Watch watch;
    private StringBuilder text = new StringBuilder();
    private int captures;
    private int line;

    /**
     * @param watch hears where in the text which element of a loop and which {@code generation} block was written
     */
    public Rendering(Budget budget, @Nullable Watch watch) {
        this.budget = budget;
        this.watch = watch;
    }

    Budget budget() {
        return budget;
    }

    /** The one who is told where something was written; null while what is written is captured for something else. */
    @Nullable
    Watch watch() {
        return captures == 0 ? watch : null;
    }

    /** Whether somebody wants to be told, although what is written now is captured. */
    @Nullable
    Watch blindWatch() {
        return captures == 0 ? null : watch;
    }

    void write(String more) {
        budget.output((long) text.length() + more.length());
        budget.scan(more.length());
        text.append(more);
    }

    int length() {
        return text.length();
    }

    /** Runs something whose text becomes a value instead of a part of the rendered text. */
    String captured(Runnable body) {
        StringBuilder outer = text;
        text = new StringBuilder();
        captures++;
        body.run();
        captures--;
        budget.makeChars(text.length());
        String written = text.toString();
        text = outer;
        return written;
    }

    /** Notes where an error would be. */
    void at(int where) {
        line = where;
    }

    /** The line that is carried out, or was when an exception ended the rendering. */
    public int line() {
        return line;
    }

    /** What was written. */
    public String text() {
        return text.toString();
    }
}
