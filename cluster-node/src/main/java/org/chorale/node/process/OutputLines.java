// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.util.function.Consumer;

/** What a process writes, line by line. A line longer than {@link #MAX_CHARS} comes in pieces, so that none fills memory. */
final class OutputLines {
    static final int MAX_CHARS = 8192;

    private final StringBuilder line = new StringBuilder();
    private final Consumer<String> lines;

    private OutputLines(Consumer<String> lines) {
        this.lines = lines;
    }

    /** Returns at the end of the stream, and of a process that is killed in the middle of a line. */
    static void read(InputStream stream, Consumer<String> lines) throws IOException {
        OutputLines reader = new OutputLines(lines);
        try (Reader in = new InputStreamReader(stream, StandardCharsets.UTF_8)) {
            char[] chunk = new char[MAX_CHARS];
            for (int read = in.read(chunk); read >= 0; read = in.read(chunk)) {
                for (int i = 0; i < read; i++) {
                    reader.take(chunk[i]);
                }
            }
        } finally {
            if (!reader.line.isEmpty()) {
                reader.tell();
            }
        }
    }

    private void take(char next) {
        if (next != '\n') {
            line.append(next);
        }
        if (next == '\n' || line.length() == MAX_CHARS) {
            tell();
        }
    }

    private void tell() {
        lines.accept(line.toString());
        line.setLength(0);
    }
}
