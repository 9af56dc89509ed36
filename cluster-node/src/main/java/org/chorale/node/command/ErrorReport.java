// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultKind;
import org.chorale.worker.FaultTranslation;

/** Tells the user what went wrong: {@code error [CODE] message} on stderr, with {@code --json} an object on stdout too. */
final class ErrorReport {
    private final Console console;
    private final boolean json;
    private final boolean stackTrace;

    ErrorReport(Console console, boolean json, boolean stackTrace) {
        this.console = console;
        this.json = json;
        this.stackTrace = stackTrace;
    }

    /** Reports an exception, and says which exit code it means. */
    int report(Throwable thrown) {
        Fault fault = FaultTranslation.of(thrown);
        report(fault);
        if (stackTrace || fault.code().kind() == FaultKind.BUG) {
            thrown.printStackTrace(console.err());
        }
        return ExitCode.of(fault.code().kind());
    }

    /** Reports a fault: each problem on a line of its own, what continues a line indented. */
    void report(Fault fault) {
        String label = "error [" + fault.code() + "] ";
        fault.message()
                .lines()
                .map(line -> line.startsWith(" ") ? line : label + line)
                .forEach(console.err()::println);
        if (json) {
            console.out()
                    .println(JsonNodeFactory.instance
                            .objectNode()
                            .put("event", "error")
                            .put("code", fault.code().name())
                            .put("kind", fault.code().kind().name())
                            .put("message", fault.message()));
        }
    }
}
