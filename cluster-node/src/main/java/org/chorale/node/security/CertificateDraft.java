// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.security;

import static org.chorale.node.security.Der.bits;
import static org.chorale.node.security.Der.context;
import static org.chorale.node.security.Der.integer;
import static org.chorale.node.security.Der.octets;
import static org.chorale.node.security.Der.oid;
import static org.chorale.node.security.Der.sequence;
import static org.chorale.node.security.Der.set;
import static org.chorale.node.security.Der.text;
import static org.chorale.node.security.Der.time;
import static org.chorale.node.security.Der.yes;

import java.io.ByteArrayInputStream;
import java.math.BigInteger;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.Signature;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * What a certificate is to say (X.509 version 3, RFC 5280). Java writes no certificates except with its keytool, which
 * would leave keys in password-protected stores on disk; reading, verifying and signing stay Java's own.
 *
 * @param name for people, the subject's common name
 * @param hosts the subject's alternative names; none of an authority
 * @param purposes extended key usages, as object identifiers
 */
record CertificateDraft(
        String name, PublicKey key, Instant from, Instant until, HostNames hosts, List<String> purposes) {
    static final String SERVER = "1.3.6.1.5.5.7.3.1";
    static final String CLIENT = "1.3.6.1.5.5.7.3.2";

    private static final String SIGNATURE = "SHA256withECDSA";
    private static final byte[] SIGNATURE_ID = sequence(oid("1.2.840.10045.4.3.2"));
    private static final int SERIAL_BITS = 127;
    private static final int KEY_ID_BYTES = 20;
    private static final SecureRandom RANDOM = new SecureRandom();

    /** The certificate of an authority, which may sign others and vouches for itself. */
    X509Certificate selfSigned(PrivateKey own) throws GeneralSecurityException {
        return signed(
                name,
                own,
                List.of(
                        extension(
                                "2.5.29.19", true, sequence(yes(), integer(BigInteger.ZERO))), // CA, no other CA below
                        extension("2.5.29.15", true, bits(1, (byte) 0x06)), // keyCertSign, cRLSign
                        extension("2.5.29.14", false, octets(keyId(key)))));
    }

    /** The certificate of a node. */
    X509Certificate signedBy(Authority authority) throws GeneralSecurityException {
        List<byte[]> extensions = new ArrayList<>(List.of(
                extension("2.5.29.19", true, sequence()), // not a CA
                extension("2.5.29.15", true, bits(7, (byte) 0x80)), // digitalSignature
                extension("2.5.29.14", false, octets(keyId(key))),
                extension("2.5.29.35", false, sequence(context(0, false, keyId(authority.publicKey()))))));
        if (!purposes.isEmpty()) {
            extensions.add(extension(
                    "2.5.29.37",
                    false,
                    sequence(all(purposes.stream().map(Der::oid).toList()))));
        }
        if (!hosts.isEmpty()) {
            extensions.add(extension("2.5.29.17", false, hosts.generalNames()));
        }
        return signed(authority.name(), authority.key(), extensions);
    }

    private X509Certificate signed(String issuer, PrivateKey signer, List<byte[]> extensions)
            throws GeneralSecurityException {
        byte[] body = sequence(
                context(0, true, integer(BigInteger.TWO)), // version 3
                integer(new BigInteger(SERIAL_BITS, RANDOM).setBit(0)),
                SIGNATURE_ID,
                distinguished(issuer),
                sequence(time(from), time(until)),
                distinguished(name),
                key.getEncoded(),
                context(3, true, sequence(all(extensions))));
        Signature signature = Signature.getInstance(SIGNATURE);
        signature.initSign(signer);
        signature.update(body);
        byte[] certificate = sequence(body, SIGNATURE_ID, bits(0, signature.sign()));
        return (X509Certificate)
                CertificateFactory.getInstance("X.509").generateCertificate(new ByteArrayInputStream(certificate));
    }

    private static byte[] distinguished(String commonName) {
        return sequence(set(sequence(oid("2.5.4.3"), text(commonName))));
    }

    private static byte[] extension(String id, boolean critical, byte[] value) {
        return critical ? sequence(oid(id), yes(), octets(value)) : sequence(oid(id), octets(value));
    }

    /** RFC 7093, section 2, method 4. */
    private static byte[] keyId(PublicKey key) throws GeneralSecurityException {
        return Arrays.copyOf(MessageDigest.getInstance("SHA-256").digest(key.getEncoded()), KEY_ID_BYTES);
    }

    private static byte[][] all(List<byte[]> values) {
        return values.toArray(byte[][]::new);
    }
}
