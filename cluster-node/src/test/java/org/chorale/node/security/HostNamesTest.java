// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.security;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.InetAddress;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class HostNamesTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "node-1",
                "node-1.example",
                "Node1.Example",
                "10.0.0.7",
                "127.0.0.2",
                "::1",
                "2001:db8::7",
                "7up.x"
            })
    void namesAndAddressesOfHostsAreTaken(String host) {
        assertThat(HostNames.defect(host)).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "*",
                "*.example",
                "node 1",
                "node_1",
                "-node",
                "node-",
                "a..b",
                ".a",
                "a.",
                "10",
                "10.0.0",
                "10.0.0.256",
                "1.2.3.4.5",
                "0.0.0.0",
                "::",
                "fe80::1%eth0",
                "::g",
                "[::1]",
                "a:2550",
                "http://a",
                "café",
                "a/b",
                "a\nb"
            })
    void whatIsNoHostToConnectToIsRefused(String host) {
        assertThat(HostNames.defect(host)).isNotEmpty();
    }

    @Test
    void namesAreComparedWithoutCaseAndAddressesByValue() {
        HostNames hosts = new HostNames(List.of("node-1.example", "10.0.0.7", "2001:db8:0:0:0:0:0:7"));

        assertThat(hosts.covers("NODE-1.example")).isTrue();
        assertThat(hosts.covers("2001:DB8::7")).isTrue();
        assertThat(hosts.covers("10.0.0.7")).isTrue();
        assertThat(hosts.covers("node-1")).isFalse();
        assertThat(hosts.covers("10.0.0.70")).isFalse();
        assertThat(hosts.covers("x.node-1.example")).isFalse();
    }

    @Test
    void anUnknownNameHasNoAddressAndTheOthersCount() throws Exception {
        assertThat(new HostNames(List.of("no-such-host.invalid", "127.0.0.3")).addresses())
                .containsExactly(InetAddress.getByName("127.0.0.3"));
    }
}
