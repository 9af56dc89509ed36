// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import org.chorale.proto.fault.FaultKind;

/** What scripts read. The JVM itself ends with 130 after Ctrl-C and with 143 after SIGTERM. */
final class ExitCode {
    static final int DONE = 0;
    static final int FAILED_OR_DIFFERS = 1;
    static final int WRONG_INPUT = 2;
    static final int INTERRUPTED = 130;

    private ExitCode() {}

    static int of(FaultKind kind) {
        return kind == FaultKind.USER ? WRONG_INPUT : FAILED_OR_DIFFERS;
    }
}
