// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.embed;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.net.URL;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.chorale.node.system.SystemConfig;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.junit.jupiter.api.Test;

final class HostSystemTest {
    private static final String REMOTE = """
            pekko.actor { provider = remote, allow-java-serialization = off }
            pekko.remote.artery.canonical { hostname = "127.0.0.6", port = 0 }
            pekko.loglevel = ERROR
            """;

    @Test
    void aSystemThatListensNowhereIsRefusedWithTheKeyAndBothWaysOut() {
        assertThatThrownBy(() -> hostOf("pekko.actor.provider = local"))
                .isInstanceOfSatisfying(
                        FaultException.class, e -> assertThat(e.fault().code()).isEqualTo(FaultCode.CONFIG_INVALID))
                .hasMessageContainingAll(
                        "pekko.actor.provider = local", "remote or cluster", "parallel.isolation = in-process");
    }

    @Test
    void framesThatAreTooSmallAreRefusedByKey() {
        assertThatThrownBy(() -> hostOf("pekko.remote.artery.advanced.maximum-frame-size = 64 KiB\n" + REMOTE))
                .hasMessage("pekko.remote.artery.advanced.maximum-frame-size = 65536 bytes: must be at least 256 KiB,"
                        + " Pekko's default");
    }

    @Test
    void workersOfASystemInPlainTextListenOnLoopbackAlone() {
        Config workers = hostOf(REMOTE).workers();

        assertThat(workers.getString("pekko.remote.artery.canonical.hostname")).isEqualTo("127.0.0.1");
        assertThat(workers.getString("pekko.remote.artery.transport")).isEqualTo("tcp");
        assertThat(workers.getInt("pekko.remote.artery.canonical.port")).isZero();
    }

    @Test
    void workersOfASystemWithTlsShowItsCertificates() {
        Config ssl = ConfigFactory.parseString("ssl.config-ssl-engine.key-store = /etc/shop/keys.p12");
        Config workers = new HostSystem("shop.example", "tls-tcp", ssl.getConfig("ssl")).workers();

        assertThat(workers.getString("pekko.remote.artery.canonical.hostname")).isEqualTo("shop.example");
        assertThat(workers.getString("pekko.remote.artery.transport")).isEqualTo("tls-tcp");
        assertThat(SystemConfig.complete(workers).getString("pekko.remote.artery.ssl.config-ssl-engine.key-store"))
                .isEqualTo("/etc/shop/keys.p12");
    }

    /** Each module's own file is held against Pekko's. */
    @Test
    void whatChoraleAddsToAnApplicationsConfigurationIsItsOwn() throws IOException {
        List<String> touched = new ArrayList<>();
        for (URL file : Collections.list(getClass().getClassLoader().getResources("reference.conf"))) {
            Config added = ConfigFactory.parseURL(file);
            if (file.getPath().contains("chorale") || added.hasPath("chorale")) {
                added.entrySet().stream().map(Map.Entry::getKey).forEach(touched::add);
            }
        }

        assertThat(touched).anyMatch(key -> key.startsWith("pekko.actor.serializers.chorale-"));
        assertThat(touched)
                .allMatch(key -> key.startsWith("chorale.")
                        || key.startsWith("pekko.actor.serializers.chorale-")
                        || key.startsWith("pekko.actor.serialization-bindings.\"org.chorale."));
    }

    private static HostSystem hostOf(String config) {
        ActorTestKit kit =
                ActorTestKit.create("shop", ConfigFactory.parseString(config).withFallback(ConfigFactory.load()));
        try {
            return HostSystem.of(kit.system());
        } finally {
            kit.shutdownTestKit();
        }
    }
}
