// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import org.chorale.node.inspect.Description;

/** {@code chorale inspect}. */
record Inspection(Console console, boolean json) {
    int run(Path path) {
        Description description =
                Description.of(console.currentFolder().resolve(path).normalize());
        ObjectNode exact = description.json();
        if (json) {
            console.out().println(exact);
        } else {
            description.lines().stream().map(Visible::of).forEach(console.out()::println);
        }
        return exact.path("whole").asBoolean(true) ? ExitCode.DONE : ExitCode.FAILED_OR_DIFFERS;
    }
}
