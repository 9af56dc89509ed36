// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.embed;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigMemorySize;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.pekko.actor.typed.ActorSystem;
import org.chorale.node.system.SystemConfig;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/**
 * The application's actor system, as processes of ours see it.
 *
 * @param host that their own systems listen on
 * @param transport of Artery
 * @param ssl Artery's section {@code ssl}
 */
record HostSystem(String host, String transport, Config ssl) {
    private static final String PROVIDER = "pekko.actor.provider";
    private static final String ARTERY = "pekko.remote.artery";
    private static final String FRAME = ARTERY + ".advanced.maximum-frame-size";
    private static final String TLS = "tls-tcp";

    /** Pekko's own default. Batches travel in smaller pieces; a plan for the shards of a model may take as much. */
    private static final long MIN_FRAME_BYTES = 256 << 10;

    /** @throws FaultException CONFIG_INVALID with all that child processes could not live with, by key */
    static HostSystem of(ActorSystem<?> system) {
        requireAddress(
                system,
                "workers in child processes cannot reach this actor system; set it to remote or cluster, or set"
                        + " parallel.isolation = in-process in the run");
        Config config = system.settings().config();
        String transport = config.getString(ARTERY + ".transport");
        refuse(problems(config, transport));
        String host = transport.equals(TLS) ? system.address().host().get() : SystemConfig.LOOPBACK;
        return new HostSystem(host, transport, config.getConfig(ARTERY + ".ssl"));
    }

    /** @param otherwise what does not work without an address of its own */
    static void requireAddress(ActorSystem<?> system, String otherwise) {
        if (!system.address().hasGlobalScope()) {
            String provider = system.settings().config().getString(PROVIDER);
            refuse(List.of("%s = %s: %s".formatted(PROVIDER, provider, otherwise)));
        }
    }

    private static List<String> problems(Config config, String transport) {
        List<String> problems = new ArrayList<>();
        if (!config.getBoolean(ARTERY + ".enabled")) {
            problems.add(ARTERY + ".enabled = off: workers speak Artery; leave it on");
        }
        if (!transport.equals("tcp") && !transport.equals(TLS)) {
            problems.add(ARTERY + ".transport = " + transport + ": workers speak tcp or tls-tcp");
        }
        ConfigMemorySize frame = config.getMemorySize(FRAME);
        if (frame.toBytes() < MIN_FRAME_BYTES) {
            problems.add("%s = %d bytes: must be at least 256 KiB, Pekko's default".formatted(FRAME, frame.toBytes()));
        }
        return problems;
    }

    private static void refuse(List<String> problems) {
        if (!problems.isEmpty()) {
            throw new FaultException(FaultCode.CONFIG_INVALID, String.join("\n", problems));
        }
    }

    /**
     * The systems of workers: they speak as the application's does. Without TLS they listen on loopback; with it where the
     * application itself does, since that is what its certificates are for.
     */
    Config workers() {
        return ConfigFactory.parseMap(Map.of(ARTERY + ".transport", transport))
                .withFallback(ssl.atPath(ARTERY + ".ssl"))
                .withFallback(SystemConfig.remote(host, 0));
    }
}
