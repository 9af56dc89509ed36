// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.file.Path;

/** Carries out command lines in a folder, and keeps what the last one said. */
final class Shell {
    private static final int COLUMNS = 100;

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();

    int run(Path folder, String... arguments) {
        out.reset();
        err.reset();
        PrintStream results = new PrintStream(out, true, UTF_8);
        PrintStream notices = new PrintStream(err, true, UTF_8);
        return ChoraleCommand.run(new Console(results, notices, false, COLUMNS, folder), arguments);
    }

    String out() {
        return out.toString(UTF_8);
    }

    String err() {
        return err.toString(UTF_8);
    }
}
