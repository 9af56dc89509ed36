// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.security;

import static org.chorale.node.security.Der.context;
import static org.chorale.node.security.Der.sequence;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.security.cert.CertificateParsingException;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Hosts that a certificate is for, by name or by address, each as written: {@code node-1.example}, {@code 10.0.0.7},
 * {@code 2001:db8::7}. There are no wildcards.
 */
record HostNames(List<String> hosts) {
    /** Of one certificate. */
    static final int MAX_HOSTS = 32;

    private static final int DNS_NAME = 2;
    private static final int IP_ADDRESS = 7;
    private static final int MAX_NAME_CHARACTERS = 253;
    private static final Pattern NAME =
            Pattern.compile("((?!-)[a-z0-9-]{1,63}(?<!-)\\.)*(?![0-9]+$)(?!-)[a-z0-9-]{1,63}(?<!-)");
    private static final Pattern ADDRESS = Pattern.compile("[0-9.]+|[0-9a-f:.]*:[0-9a-f:.]*");
    private static final Pattern IPV4 = Pattern.compile("[0-9]{1,3}(\\.[0-9]{1,3}){3}");

    HostNames {
        hosts = List.copyOf(hosts);
    }

    static HostNames none() {
        return new HostNames(List.of());
    }

    /** The subject's alternative names, but for those that are neither a name nor an address in proper form. */
    static HostNames of(X509Certificate certificate) throws CertificateParsingException {
        Collection<List<?>> names = certificate.getSubjectAlternativeNames();
        List<String> hosts = new ArrayList<>();
        for (List<?> name : names == null ? List.<List<?>>of() : names) {
            String host = String.valueOf(name.get(1)).toLowerCase(Locale.ROOT);
            boolean ofItsKind = name.get(0).equals(isAddress(host) ? IP_ADDRESS : DNS_NAME);
            if (ofItsKind && defect(host).isEmpty()) {
                hosts.add(host);
            }
        }
        return new HostNames(hosts);
    }

    /** @return what is wrong with a host, as the end of a sentence that begins with it; empty if nothing is */
    static String defect(String host) {
        String lower = host.toLowerCase(Locale.ROOT);
        if (isAddress(lower)) {
            try {
                return literal(lower).isAnyLocalAddress()
                        ? "stands for every address: name the one that others connect to"
                        : "";
            } catch (IllegalArgumentException e) {
                return "is no IP address";
            }
        }
        return NAME.matcher(lower).matches() && lower.length() <= MAX_NAME_CHARACTERS
                ? ""
                : "is neither a host's name nor an IP address";
    }

    boolean isEmpty() {
        return hosts.isEmpty();
    }

    /** Whether a certificate for these hosts is one for {@code host}, written in whatever form. */
    boolean covers(String host) {
        if (!isAddress(host)) {
            return hosts.contains(host.toLowerCase(Locale.ROOT));
        }
        InetAddress address = literal(host);
        return hosts.stream()
                .filter(HostNames::isAddress)
                .anyMatch(each -> literal(each).equals(address));
    }

    /** All addresses that these hosts have now, each asked for when it is its turn. */
    Stream<InetAddress> addresses() {
        return hosts.stream().limit(MAX_HOSTS).flatMap(HostNames::addresses);
    }

    private static Stream<InetAddress> addresses(String host) {
        try {
            return Stream.of(InetAddress.getAllByName(host));
        } catch (UnknownHostException e) {
            return Stream.empty(); // the others count
        }
    }

    /** As the extension subjectAltName has them (RFC 5280, 4.2.1.6). */
    byte[] generalNames() {
        List<byte[]> names = new ArrayList<>();
        for (String host : hosts) {
            names.add(
                    isAddress(host)
                            ? context(IP_ADDRESS, false, literal(host).getAddress())
                            : context(DNS_NAME, false, host.getBytes(StandardCharsets.US_ASCII)));
        }
        return sequence(names.toArray(byte[][]::new));
    }

    static boolean isAddress(String host) {
        return ADDRESS.matcher(host.toLowerCase(Locale.ROOT)).matches();
    }

    /** Of an address, which no name service is asked for. */
    private static InetAddress literal(String address) {
        try {
            if (address.contains(":") || IPV4.matcher(address).matches()) {
                return InetAddress.getByName(address);
            }
        } catch (UnknownHostException e) {
            // as said below
        }
        throw new IllegalArgumentException(address + " is no IP address");
    }

    @Override
    public String toString() {
        return String.join(", ", hosts);
    }
}
