// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.document;

import java.util.Arrays;
import java.util.stream.Collectors;
import org.chorale.proto.fault.FaultCode;

/** deploy/reference/errors.md: every code that an error may have. */
final class ErrorsDocument {
    private static final String HEAD = """
            # The codes of errors

            Made from `FaultCode`; change it there. An error reads `error [CODE] message` on stderr; with `--json` it is an
            object on stdout too. Codes are stable: scripts may rely on them. The kind says who must act:

            * `USER`: you. The message says what would be right. Exit code 2.
            * `LOST_RESOURCE`: nobody, or whoever keeps the machine. The same command goes on from the last checkpoint. Exit code 1.
            * `BUG`: we. Please report it with the log. Exit code 1.

            | code | kind | meaning |
            | --- | --- | --- |
            """;

    private ErrorsDocument() {}

    static String text() {
        return Arrays.stream(FaultCode.values())
                .map(code -> "| `%s` | `%s` | %s |%n".formatted(code, code.kind(), code.meaning()))
                .collect(Collectors.joining("", HEAD, ""));
    }
}
