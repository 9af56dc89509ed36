// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.util.List;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultKind;
import org.chorale.worker.FaultTranslation;
import picocli.CommandLine;

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
    int report(Exception caught) {
        Throwable thrown = origin(caught);
        Fault fault = FaultTranslation.of(thrown);
        report(fault);
        if (stackTrace || fault.code().kind() == FaultKind.BUG) {
            thrown.printStackTrace(console.err());
        }
        return ExitCode.of(fault.code().kind());
    }

    /** Picocli wraps what is no exception, such as an error of linking to libtorch. */
    private static Throwable origin(Exception caught) {
        Throwable cause = caught.getCause();
        return caught instanceof CommandLine.ExecutionException && cause != null ? cause : caught;
    }

    /** Reports a fault: each problem on a line of its own, what continues a line indented. */
    void report(Fault fault) {
        printLines(fault);
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

    /**
     * Several mistakes of a user are a line each, unless a line with a colon announces the others. Messages quote files
     * of strangers, who are not to steer a terminal.
     */
    private void printLines(Fault fault) {
        String label = "error [" + fault.code() + "] ";
        List<String> lines = Visible.of(fault.message()).lines().toList();
        boolean separate =
                fault.code().kind() == FaultKind.USER && lines.stream().limit(1).noneMatch(line -> line.endsWith(":"));
        for (int i = 0; i < lines.size(); i++) {
            String line = lines.get(i);
            boolean continues = i > 0 && (line.isBlank() || line.startsWith(" ") || !separate);
            console.err().println(continues ? indented(line) : label + line);
        }
    }

    private static String indented(String line) {
        return line.startsWith(" ") ? line : "  " + line;
    }
}
