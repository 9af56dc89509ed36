// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.security;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/**
 * How an actor system of ours protects its connections; made by {@link #of}, which has checked it.
 *
 * @param certificates a folder with {@code ca.pem}, {@code node.pem} and {@code node-key.pem}; without one, nothing is
 *     encrypted, and whoever reaches the port is believed
 * @param host what the system binds to and others connect to
 */
public record NodeSecurity(Optional<Path> certificates, String host) {
    private static final String ARTERY = "pekko.remote.artery.";

    /**
     * @param insecure whether a host beyond loopback is allowed without certificates
     * @throws FaultException CERTIFICATES_INVALID with all problems, each on a line
     */
    public static NodeSecurity of(Optional<Path> certificates, boolean insecure, String host) {
        List<String> problems = new ArrayList<>();
        String defect = HostNames.defect(host);
        if (!defect.isEmpty()) {
            problems.add(host + " " + defect);
        } else if (certificates.isEmpty() && !insecure && !isLoopback(host, problems)) {
            problems.add(("%s is not this machine's loopback: whoever reaches it could run code here. Make certificates"
                            + " with chorale certs --out certs --host %s and give --certs certs/%s, or say --insecure"
                            + " where the network keeps everybody else out")
                    .formatted(host, host, host));
        }
        if (certificates.isPresent() && insecure) {
            problems.add("--insecure and --certs exclude each other");
        }
        certificates.ifPresent(folder -> check(folder, host, problems));
        if (!problems.isEmpty()) {
            throw new FaultException(FaultCode.CERTIFICATES_INVALID, String.join("\n", problems));
        }
        return new NodeSecurity(certificates.map(Path::toAbsolutePath), host);
    }

    /** What an actor system's configuration has before all else; the port is not among it. */
    public Config artery() {
        Map<String, Object> keys = new LinkedHashMap<>();
        keys.put(ARTERY + "canonical.hostname", host);
        keys.put(ARTERY + "transport", certificates.isPresent() ? "tls-tcp" : "tcp");
        certificates.ifPresent(folder -> {
            keys.put(NodeSslEngineProvider.FOLDER_KEY, folder.toString());
            keys.put(ARTERY + "ssl.ssl-engine-provider", NodeSslEngineProvider.class.getName());
            // Connections come from the address that the certificate names, whatever the routes of this machine are.
            keys.put(ARTERY + "advanced.tcp.outbound-client-hostname", host);
        });
        return ConfigFactory.parseMap(keys, "the node's security");
    }

    private static void check(Path folder, String host, List<String> problems) {
        try {
            NodeCertificates.read(folder, host, Instant.now());
        } catch (FaultException e) {
            problems.add(e.fault().message());
        }
    }

    private static boolean isLoopback(String host, List<String> problems) {
        try {
            return Stream.of(InetAddress.getAllByName(host)).allMatch(InetAddress::isLoopbackAddress);
        } catch (UnknownHostException e) {
            problems.add(host + " is not known to this machine: name a host or an address that is");
            return true;
        }
    }
}
