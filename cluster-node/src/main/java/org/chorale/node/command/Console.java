// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import java.io.InputStream;
import java.io.PrintStream;
import java.nio.file.Path;

/**
 * Where a command's words come from and go.
 *
 * @param in what a command that reads is told
 * @param out results and progress
 * @param err errors, notices and the log
 * @param terminal whether a person looks at {@code out}
 * @param columns of the terminal
 * @param currentFolder what relative paths on the command line stand in
 */
public record Console(
        InputStream in, PrintStream out, PrintStream err, boolean terminal, int columns, Path currentFolder) {
    /** Set by the launcher. Java cannot tell: from JDK 22 on {@code System.console()} is there without a terminal too. */
    private static final String TERMINAL_PROPERTY = "chorale.terminal";

    private static final int DEFAULT_COLUMNS = 100;
    private static final int MIN_COLUMNS = 40;

    /** Of a command that reads nothing. */
    public Console(PrintStream out, PrintStream err, boolean terminal, int columns, Path currentFolder) {
        this(InputStream.nullInputStream(), out, err, terminal, columns, currentFolder);
    }

    /** The process's own. */
    public static Console ofProcess() {
        boolean terminal = Boolean.getBoolean(TERMINAL_PROPERTY);
        return new Console(
                System.in,
                System.out,
                System.err,
                terminal,
                columnsOfProcess(),
                Path.of("").toAbsolutePath());
    }

    private static int columnsOfProcess() {
        String columns = System.getenv("COLUMNS"); // bash exports it on request only
        return columns != null && columns.matches("\\d{1,4}")
                ? Math.max(MIN_COLUMNS, Integer.parseInt(columns))
                : DEFAULT_COLUMNS;
    }
}
