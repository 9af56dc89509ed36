// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.security;

import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.cert.X509Certificate;
import java.security.spec.ECGenParameterSpec;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;
import java.util.List;
import javax.security.auth.x500.X500Principal;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/** A cluster's own certificate authority: whoever it has given a certificate to is let in. */
record Authority(String name, X509Certificate certificate, PrivateKey key) {
    static final String CERTIFICATE_FILE = "ca.pem";
    static final String KEY_FILE = "ca-key.pem";

    private static final String NAME = "Chorale authority ";
    private static final Duration LIFE = Duration.ofDays(3650);
    private static final Duration CLOCK_TOLERANCE = Duration.ofHours(1);
    private static final int NAME_BYTES = 6;

    /** A new one, of a name that no other has: a certificate names its authority. */
    static Authority create(Instant now) throws GeneralSecurityException {
        byte[] random = new byte[NAME_BYTES];
        new SecureRandom().nextBytes(random);
        String name = NAME + HexFormat.of().formatHex(random);
        KeyPair pair = newKeys();
        X509Certificate certificate = new CertificateDraft(
                        name, pair.getPublic(), now.minus(CLOCK_TOLERANCE), now.plus(LIFE), HostNames.none(), List.of())
                .selfSigned(pair.getPrivate());
        return new Authority(name, certificate, pair.getPrivate());
    }

    static boolean isIn(Path folder) {
        return Files.exists(folder.resolve(CERTIFICATE_FILE)) || Files.exists(folder.resolve(KEY_FILE));
    }

    /** Reads what {@link #write} wrote. */
    static Authority read(Path folder) {
        Path file = folder.resolve(CERTIFICATE_FILE);
        X509Certificate certificate = Pem.readCertificates(file).get(0);
        String subject = certificate.getSubjectX500Principal().getName(X500Principal.RFC1779);
        if (!subject.startsWith("CN=" + NAME) || subject.contains(",")) {
            throw new FaultException(
                    FaultCode.CERTIFICATES_INVALID,
                    file + ": was not made by chorale certs, but is of \"" + subject
                            + "\": let that authority's own tools make the certificates of nodes");
        }
        return new Authority(
                subject.substring("CN=".length()), certificate, Pem.readPrivateKey(folder.resolve(KEY_FILE)));
    }

    /** Into a folder that has none. */
    void write(Path folder) {
        Pem.writePrivateKey(folder.resolve(KEY_FILE), key);
        Pem.writeCertificates(folder.resolve(CERTIFICATE_FILE), List.of(certificate));
    }

    PublicKey publicKey() {
        return certificate.getPublicKey();
    }

    Instant end() {
        return certificate.getNotAfter().toInstant();
    }

    /** Gives a node a key and a certificate, with which it can connect and be connected to. */
    Credentials issue(String node, HostNames hosts, Instant now, Duration life) throws GeneralSecurityException {
        KeyPair pair = newKeys();
        // The common name has a blank, so that nobody can take it for a host's.
        X509Certificate issued = new CertificateDraft(
                        "Chorale node " + node,
                        pair.getPublic(),
                        now.minus(CLOCK_TOLERANCE),
                        now.plus(life),
                        hosts,
                        List.of(CertificateDraft.SERVER, CertificateDraft.CLIENT))
                .signedBy(this);
        issued.verify(publicKey());
        return new Credentials(List.of(issued), pair.getPrivate());
    }

    static KeyPair newKeys() throws GeneralSecurityException {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
        generator.initialize(new ECGenParameterSpec("secp256r1"));
        return generator.generateKeyPair();
    }
}
