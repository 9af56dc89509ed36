// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Parameters;

/** Which run a command is about. */
final class RunFileParameters {
    @Parameters(index = "0", paramLabel = "RUN.conf", description = "The run's configuration, in HOCON.")
    private Path file = Path.of("");

    @Parameters(
            index = "1..*",
            arity = "0..*",
            paramLabel = "key=value",
            description = "Values that take the place of the file's.")
    private List<String> assignments = List.of();

    Path file() {
        return file;
    }

    List<String> assignments() {
        return assignments;
    }
}
