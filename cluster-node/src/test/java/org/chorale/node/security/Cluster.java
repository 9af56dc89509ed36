// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.security;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.time.Duration;
import java.time.Instant;
import java.util.List;

/** An authority, and the folders of nodes that it makes, good and bad ones. */
record Cluster(Authority authority, Path home) {
    static final List<String> BOTH = List.of(CertificateDraft.SERVER, CertificateDraft.CLIENT);

    static Cluster in(Path home) throws GeneralSecurityException {
        return new Cluster(Authority.create(Instant.now()), home);
    }

    /** The folder of a node that is as it should be. */
    Path node(String... hosts) throws GeneralSecurityException {
        return folder(authority.issue("n", new HostNames(List.of(hosts)), Instant.now(), Duration.ofDays(1)));
    }

    /** One that ended an hour ago. */
    Path expired(String host) throws GeneralSecurityException {
        Instant end = Instant.now().minus(Duration.ofHours(1));
        return folder(drafted(end.minus(Duration.ofDays(1)), end, List.of(host), BOTH));
    }

    Path withPurposes(List<String> purposes, String... hosts) throws GeneralSecurityException {
        Instant now = Instant.now();
        return folder(drafted(now.minus(Duration.ofHours(1)), now.plus(Duration.ofDays(1)), List.of(hosts), purposes));
    }

    private Credentials drafted(Instant from, Instant until, List<String> hosts, List<String> purposes)
            throws GeneralSecurityException {
        KeyPair pair = Authority.newKeys();
        CertificateDraft draft =
                new CertificateDraft("drafted", pair.getPublic(), from, until, new HostNames(hosts), purposes);
        return new Credentials(List.of(draft.signedBy(authority)), pair.getPrivate());
    }

    private Path folder(Credentials own) {
        try {
            Path folder = Files.createTempDirectory(home, "node");
            write(folder, own);
            return folder;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void write(Path folder, Credentials own) {
        Pem.writeCertificates(folder.resolve("ca.pem"), List.of(authority.certificate()));
        Pem.writeCertificates(folder.resolve("node.pem"), own.chain());
        Pem.writePrivateKey(folder.resolve("node-key.pem"), own.key());
    }
}
