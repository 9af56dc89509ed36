// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.progress;

import java.io.PrintStream;
import me.tongfei.progressbar.ProgressBarConsumer;

/** The last line of a terminal, drawn over and over; other lines go in above it. */
final class TerminalLine implements ProgressBarConsumer {
    /** Back to the first column, and remove what stands there. */
    private static final String ERASE = "\r\u001b[K";

    private final PrintStream out;
    private final int columns;
    private String drawn = "";

    TerminalLine(PrintStream out, int columns) {
        this.out = out;
        this.columns = columns;
    }

    @Override
    public int getMaxRenderedLength() {
        return columns - 1; // a full line would wrap
    }

    @Override
    public synchronized void accept(String line) {
        drawn = line;
        out.print(ERASE + line);
        out.flush();
    }

    /** Prints a line that stays. */
    synchronized void printAbove(String line) {
        out.print(ERASE + line + System.lineSeparator() + drawn);
        out.flush();
    }

    /** Leaves the line as it is, and the next one to others. */
    @Override
    public synchronized void close() {
        if (!drawn.isEmpty()) {
            out.println();
            out.flush();
            drawn = "";
        }
    }
}
