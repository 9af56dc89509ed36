// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.system;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigParseOptions;
import com.typesafe.config.ConfigRenderOptions;
import java.util.List;
import java.util.Map;

/**
 * What the configuration of an actor system says besides chorale-node.conf, which is read by Chorale's own processes alone:
 * an application that embeds Chorale has a system, and a configuration, of its own.
 */
public final class SystemConfig {
    /** The name of a node's actor system, by which others address it. */
    public static final String NODE = "chorale";

    /** The name of a worker's; nobody needs to know it. */
    public static final String WORKER = "chorale-worker";

    /** The actor of a node that clients talk to. */
    public static final String GATEWAY = "gateway";

    /** What runs on one machine listens here and nowhere else. */
    public static final String LOOPBACK = "127.0.0.1";

    private static final String PROVIDER = "pekko.actor.provider";

    private SystemConfig() {}

    /** A system that listens nowhere. */
    public static Config local() {
        return ConfigFactory.parseMap(Map.of(PROVIDER, "local"));
    }

    /**
     * A system that talks to others without being a member of a cluster.
     *
     * @param host the only address on which it listens
     * @param port 0 for a free one
     */
    public static Config remote(String host, int port) {
        return listening(host, port).withFallback(ConfigFactory.parseMap(Map.of(PROVIDER, "remote")));
    }

    /**
     * A member of a cluster.
     *
     * @param roles besides {@code node}, which all have
     */
    public static Config member(String host, int port, List<String> roles) {
        return listening(host, port)
                .withFallback(ConfigFactory.parseMap(Map.of(PROVIDER, "cluster", "pekko.cluster.roles", roles)));
    }

    private static Config listening(String host, int port) {
        return ConfigFactory.parseMap(
                Map.of("pekko.remote.artery.canonical.hostname", host, "pekko.remote.artery.canonical.port", port));
    }

    /** As it travels to the process that it is for. */
    public static String text(Config config) {
        return config.root().render(ConfigRenderOptions.concise());
    }

    /** Over chorale-node.conf and Pekko's own, ready for {@code ActorSystem.create}. */
    public static Config complete(Config special) {
        ClassLoader classes = SystemConfig.class.getClassLoader();
        ConfigParseOptions required = ConfigParseOptions.defaults().setAllowMissing(false);
        return special.withFallback(ConfigFactory.parseResources(classes, "chorale-node.conf", required))
                .withFallback(ConfigFactory.defaultReference(classes))
                .resolve();
    }
}
