// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.security;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * From where there are connections to a port, as Linux knows it. A line of its tables has, in hexadecimal, {@code number:
 * localAddress:port remoteAddress:port state}, where an address is written in words of the machine's byte order.
 */
final class InboundConnections {
    private static final List<Path> TABLES = List.of(Path.of("/proc/net/tcp"), Path.of("/proc/net/tcp6"));
    private static final String ESTABLISHED = "01";

    private InboundConnections() {}

    /** Remote addresses of all connections that are established at this moment. */
    static Set<InetAddress> to(int port) {
        Set<InetAddress> sources = new HashSet<>();
        for (Path table : TABLES) {
            try (Stream<String> lines = Files.lines(table)) {
                lines.skip(1)
                        .map(line -> source(line, port))
                        .flatMap(Stream::ofNullable)
                        .forEach(sources::add);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        return sources;
    }

    private static @Nullable InetAddress source(String line, int port) {
        String[] columns = line.trim().split(" +", 5);
        if (!columns[3].equals(ESTABLISHED) || portOf(columns[1]) != port) {
            return null;
        }
        return address(columns[2].substring(0, columns[2].indexOf(':')));
    }

    private static int portOf(String endpoint) {
        return HexFormat.fromHexDigits(endpoint.substring(endpoint.indexOf(':') + 1));
    }

    /** Of IPv4 written as IPv6, Java makes IPv4 again. */
    static InetAddress address(String words) {
        ByteBuffer bytes = ByteBuffer.allocate(words.length() / 2).order(ByteOrder.nativeOrder());
        for (int i = 0; i < words.length(); i += 8) {
            bytes.putInt(HexFormat.fromHexDigits(words.substring(i, i + 8)));
        }
        try {
            return InetAddress.getByAddress(bytes.array());
        } catch (UnknownHostException e) {
            throw new IllegalArgumentException(words + " is no address of 4 or 16 bytes", e);
        }
    }
}
