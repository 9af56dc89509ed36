// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import com.google.errorprone.annotations.MustBeClosed;
import java.nio.file.Path;
import java.util.Optional;
import org.chorale.node.client.ClusterClient;
import org.chorale.node.security.NodeSecurity;
import org.chorale.node.system.HostPort;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** How a command reaches a cluster. */
final class ClusterOptions {
    @Option(
            names = "--to",
            required = true,
            paramLabel = "HOST:PORT",
            converter = HostPortConverter.class,
            description = "A node of the cluster, named as its --bind is.")
    private HostPort node = new HostPort("127.0.0.1", HostPort.DEFAULT_PORT);

    @Option(
            names = "--certs",
            paramLabel = "DIR",
            description = "Certificates for this machine, where the cluster's nodes have them.")
    private Optional<Path> certificates = Optional.empty();

    @Option(names = "--insecure", description = "Talk beyond this machine without certificates.")
    private boolean insecure;

    static final class HostPortConverter implements ITypeConverter<HostPort> {
        @Override
        public HostPort convert(String value) {
            try {
                return HostPort.parse(value);
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException(e.getMessage());
            }
        }
    }

    @MustBeClosed
    ClusterClient connect() {
        return ClusterClient.connect(
                node, host -> NodeSecurity.of(certificates, insecure, host).artery());
    }
}
