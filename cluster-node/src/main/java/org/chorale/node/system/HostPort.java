// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.system;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Where a node listens, as in {@code 10.0.0.7:2550}. It is the same for all: whoever names the node otherwise does not reach
 * it.
 *
 * @param host a name or an address
 * @param port 0 for a free one, where a node binds
 */
public record HostPort(String host, int port) {
    public static final int DEFAULT_PORT = 2550;

    private static final int MAX_PORT = 65_535;
    private static final Pattern FORM =
            Pattern.compile("(?<host>[\\w.-]{1,253}|\\[[0-9a-fA-F:]+])(:(?<port>\\d{1,5}))?");

    public HostPort {
        if (port < 0 || port > MAX_PORT) {
            throw new IllegalArgumentException("%s:%d: a port is at most %d".formatted(host, port, MAX_PORT));
        }
    }

    /** @throws IllegalArgumentException that says what would be right */
    public static HostPort parse(String text) {
        Matcher form = FORM.matcher(text);
        if (!form.matches()) {
            throw new IllegalArgumentException(
                    "%s: must be HOST or HOST:PORT, as in 10.0.0.7:%d".formatted(text, DEFAULT_PORT));
        }
        String port = form.group("port");
        return new HostPort(form.group("host"), port == null ? DEFAULT_PORT : Integer.parseInt(port));
    }

    @Override
    public String toString() {
        return host + ":" + port;
    }
}
