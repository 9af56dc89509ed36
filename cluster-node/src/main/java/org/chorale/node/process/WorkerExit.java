// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import java.util.Arrays;

/** With which code the process of a worker ends. Others come from signals (128 and more), the JVM, or users' components. */
enum WorkerExit {
    /** It was dismissed, or has told its coordinator why it cannot go on. */
    STOPPED(20, "ended in order"),
    FAILED(21, "failed"),
    ORDER_UNREADABLE(22, "could not read its order"),
    NODE_GONE(23, "was left by its node");

    private static final int SIGNALLED = 128; // a shell's way, and Java's, to tell the number of a signal

    private final int code;
    private final String meaning;

    WorkerExit(int code, String meaning) {
        this.code = code;
        this.meaning = meaning;
    }

    int code() {
        return code;
    }

    /** As in "the process 4711 was ended by signal 9". */
    static String meaning(int exitCode) {
        return Arrays.stream(values())
                .filter(exit -> exit.code == exitCode)
                .findFirst()
                .map(exit -> exit.meaning)
                .orElseGet(() -> exitCode > SIGNALLED
                        ? "was ended by signal " + (exitCode - SIGNALLED)
                        : "ended with exit code " + exitCode);
    }
}
