// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import java.nio.file.Path;
import java.util.Optional;
import org.chorale.node.security.NodeSecurity;
import picocli.CommandLine.Option;

/** How a command that speaks with other machines protects what it says. */
final class SecurityOptions {
    @Option(
            names = "--certs",
            paramLabel = "DIR",
            description = "This machine's certificates, as chorale certs makes them; needed beyond this machine.")
    private Optional<Path> certificates = Optional.empty();

    @Option(
            names = "--insecure",
            description = "Go beyond this machine without certificates: for a network that keeps everybody else out.")
    private boolean insecure;

    /** @param host what this machine binds to */
    NodeSecurity of(Console console, String host) {
        return NodeSecurity.of(certificates.map(console.currentFolder()::resolve), insecure, host);
    }
}
