// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** On which TCP addresses processes listen, as the system says. */
public final class Listening {
    private static final String LISTEN = "0A"; // TCP_LISTEN, in hexadecimal
    private static final int ADDRESS = 1; // columns of /proc/net/tcp
    private static final int STATE = 3;
    private static final int INODE = 9;
    private static final int HEXADECIMAL = 16;

    private Listening() {}

    /** As {@code 127.0.0.1:2550}; of IPv6, what stands in the file. */
    public static List<String> ofProcess(long pid) throws IOException {
        Set<String> sockets = sockets(pid);
        return Stream.concat(lines(pid, "tcp"), lines(pid, "tcp6"))
                .map(line -> line.strip().split("\\s+"))
                .filter(columns -> columns[STATE].equals(LISTEN) && sockets.contains("socket:[" + columns[INODE] + "]"))
                .map(columns -> readable(columns[ADDRESS]))
                .toList();
    }

    private static Stream<String> lines(long pid, String table) throws IOException {
        return Files.readAllLines(Path.of("/proc", Long.toString(pid), "net", table)).stream()
                .skip(1);
    }

    private static Set<String> sockets(long pid) throws IOException {
        try (Stream<Path> files = Files.list(Path.of("/proc", Long.toString(pid), "fd"))) {
            return files.map(Listening::target).collect(Collectors.toSet());
        }
    }

    private static String target(Path file) {
        try {
            return Files.readSymbolicLink(file).toString();
        } catch (IOException e) { // closed meanwhile
            return "";
        }
    }

    /** An address of IPv4 stands there in the order of a little-endian machine. */
    private static String readable(String hexadecimal) {
        String address = hexadecimal.substring(0, hexadecimal.indexOf(':'));
        int port = Integer.parseInt(hexadecimal.substring(hexadecimal.indexOf(':') + 1), HEXADECIMAL);
        boolean old = address.length() == 2 * Integer.BYTES;
        String mapped = address.startsWith("0000000000000000FFFF0000") ? address.substring(3 * 8) : address;
        if (!old && mapped.length() != 2 * Integer.BYTES) {
            return "[" + address + "]:" + port;
        }
        return IntStream.of(6, 4, 2, 0)
                        .mapToObj(at -> Integer.toString(Integer.parseInt(mapped.substring(at, at + 2), HEXADECIMAL)))
                        .collect(Collectors.joining("."))
                + ":" + port;
    }
}
