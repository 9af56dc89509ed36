// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.security;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import org.junit.jupiter.api.Test;

final class InboundConnectionsTest {
    @Test
    void thoseWhoAreConnectedToThePortAreKnownByTheirAddress() throws Exception {
        InetAddress loopback = InetAddress.getLoopbackAddress();
        InetAddress peer = InetAddress.getByAddress(new byte[] {127, 0, 0, 7});
        try (ServerSocket server = new ServerSocket(0, 1, loopback);
                Socket client = new Socket()) {
            assertThat(InboundConnections.to(server.getLocalPort())).isEmpty();
            client.bind(new InetSocketAddress(peer, 0));
            client.connect(server.getLocalSocketAddress());

            assertThat(InboundConnections.to(server.getLocalPort())).containsExactly(peer);
        }
    }

    /** As x86 writes them: words of four bytes, the lowest first. */
    @Test
    void addressesAreReadInTheOrderOfTheMachine() throws Exception {
        assertThat(InboundConnections.address("0700000A")).isEqualTo(InetAddress.getByName("10.0.0.7"));
        assertThat(InboundConnections.address("0000000000000000FFFF00000700000A"))
                .isEqualTo(InetAddress.getByName("10.0.0.7"));
        assertThat(InboundConnections.address("B80D0120000000000000000007000000"))
                .isEqualTo(InetAddress.getByName("2001:db8::7"));
    }
}
