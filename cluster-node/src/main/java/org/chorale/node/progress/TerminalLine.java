// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.progress;

import java.io.PrintStream;

/** The last line of a terminal, drawn over and over; other lines go in above it. */
final class TerminalLine {
    /** Back to the first column, and remove what stands there. */
    private static final String ERASE = "\r\u001b[K";

    private final PrintStream out;
    private String drawn = "";

    TerminalLine(PrintStream out) {
        this.out = out;
    }

    /** Puts this in the line's place. */
    void draw(String text) {
        drawn = text;
        out.print(ERASE + text);
        out.flush();
    }

    /** Prints a line that stays. */
    void printAbove(String text) {
        out.print(ERASE + text + System.lineSeparator() + drawn);
        out.flush();
    }

    /** Removes the line. */
    void erase() {
        out.print(ERASE);
        out.flush();
        drawn = "";
    }

    /** Leaves the line as it is, and the next one to others. */
    void end() {
        if (!drawn.isEmpty()) {
            out.println();
            out.flush();
            drawn = "";
        }
    }
}
