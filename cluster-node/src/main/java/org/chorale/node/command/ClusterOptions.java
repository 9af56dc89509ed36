// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import com.google.errorprone.annotations.MustBeClosed;
import org.chorale.node.client.ClusterClient;
import org.chorale.node.system.HostPort;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
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

    @Mixin
    private final SecurityOptions security = new SecurityOptions();

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
    ClusterClient connect(Console console) {
        return ClusterClient.connect(node, host -> security.of(console, host).artery());
    }
}
