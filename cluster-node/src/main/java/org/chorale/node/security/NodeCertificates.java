// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.security;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.security.GeneralSecurityException;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.cert.CertPathValidator;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertificateFactory;
import java.security.cert.CertificateParsingException;
import java.security.cert.PKIXParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Date;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/**
 * The folder of a node: {@code ca.pem}, whom it trusts; {@code node.pem}, its certificate, with those of authorities
 * between it and a trusted one behind it; {@code node-key.pem}, its key.
 */
record NodeCertificates(Path folder, List<X509Certificate> authorities, Credentials own) {
    static final String CERTIFICATE_FILE = "node.pem";
    static final String KEY_FILE = "node-key.pem";
    static final List<String> FILES = List.of(Authority.CERTIFICATE_FILE, CERTIFICATE_FILE, KEY_FILE);

    private static final int NO_AUTHORITY = -1; // what Java says of basicConstraints
    private static final Set<PosixFilePermission> OPEN_TO_ALL =
            EnumSet.of(PosixFilePermission.OTHERS_READ, PosixFilePermission.OTHERS_WRITE);

    NodeCertificates {
        authorities = List.copyOf(authorities);
    }

    /** Reads and checks a folder for a node that others connect to as {@code host}; tells all problems at once. */
    static NodeCertificates read(Path folder, String host, Instant now) {
        List<String> problems = new ArrayList<>();
        List<X509Certificate> authorities = new ArrayList<>();
        List<X509Certificate> chain = new ArrayList<>();
        List<PrivateKey> keys = new ArrayList<>();
        collect(() -> Pem.readCertificates(folder.resolve(Authority.CERTIFICATE_FILE)), authorities, problems);
        collect(() -> Pem.readCertificates(folder.resolve(CERTIFICATE_FILE)), chain, problems);
        collect(() -> List.of(Pem.readPrivateKey(folder.resolve(KEY_FILE))), keys, problems);
        problems.addAll(opennessOf(folder.resolve(KEY_FILE)));
        if (!authorities.isEmpty() && !chain.isEmpty()) {
            problems.addAll(defects(folder, authorities, chain, host, now));
        }
        if (!chain.isEmpty() && !keys.isEmpty() && !belong(keys.get(0), chain.get(0))) {
            problems.add(folder.resolve(KEY_FILE) + ": is not the key of the certificate in " + CERTIFICATE_FILE);
        }
        if (!problems.isEmpty()) {
            throw new FaultException(FaultCode.CERTIFICATES_INVALID, String.join("\n", problems));
        }
        return new NodeCertificates(folder, authorities, new Credentials(chain, keys.get(0)));
    }

    /** Whether a certificate says that its owner may act so. */
    static boolean isFor(String purpose, X509Certificate certificate) throws CertificateParsingException {
        List<String> purposes = certificate.getExtendedKeyUsage();
        return purposes != null && purposes.contains(purpose);
    }

    private static <T> void collect(Supplier<List<T>> read, List<T> found, List<String> problems) {
        try {
            found.addAll(read.get());
        } catch (FaultException e) {
            problems.add(e.fault().message());
        }
    }

    private static List<String> opennessOf(Path key) {
        try {
            boolean open = Files.exists(key)
                    && Files.getPosixFilePermissions(key).stream().anyMatch(OPEN_TO_ALL::contains);
            return open
                    ? List.of(key + ": every user of this machine can read or replace it; chmod 600 it")
                    : List.of();
        } catch (IOException e) {
            return List.of(key + ": its permissions cannot be read: " + e);
        }
    }

    private static List<String> defects(
            Path folder, List<X509Certificate> authorities, List<X509Certificate> chain, String host, Instant now) {
        List<String> defects = new ArrayList<>();
        Path file = folder.resolve(CERTIFICATE_FILE);
        X509Certificate certificate = chain.get(0);
        if (authorities.stream().anyMatch(each -> each.getBasicConstraints() == NO_AUTHORITY)) {
            defects.add(folder.resolve(Authority.CERTIFICATE_FILE) + ": holds a certificate that is no authority's");
        }
        try {
            HostNames hosts = HostNames.of(certificate);
            if (!hosts.covers(host)) {
                defects.add("%s: is for %s, but the node is to be %s: make one with chorale certs --host %s"
                        .formatted(file, hosts.isEmpty() ? "no host" : hosts, host, host));
            }
            if (!isFor(CertificateDraft.SERVER, certificate) || !isFor(CertificateDraft.CLIENT, certificate)) {
                defects.add(file + ": must be for serverAuth and clientAuth (extended key usage): a node is both");
            }
        } catch (CertificateParsingException e) {
            defects.add(file + ": its extensions cannot be read: " + e.getMessage());
        }
        Instant begin = certificate.getNotBefore().toInstant();
        Instant end = certificate.getNotAfter().toInstant();
        if (now.isBefore(begin) || now.isAfter(end)) {
            defects.add(file + ": counts from " + begin + " to " + end + ", and now is " + now);
        } else {
            defects.addAll(defectsOfChain(file, authorities, chain, now));
        }
        return defects;
    }

    /** As a peer will see it, except that lists of revoked certificates are not asked for. */
    private static List<String> defectsOfChain(
            Path file, List<X509Certificate> authorities, List<X509Certificate> chain, Instant now) {
        try {
            Set<TrustAnchor> anchors = authorities.stream()
                    .map(authority -> new TrustAnchor(authority, null))
                    .collect(Collectors.toSet());
            PKIXParameters parameters = new PKIXParameters(anchors);
            parameters.setRevocationEnabled(false);
            parameters.setDate(Date.from(now));
            CertPathValidator.getInstance("PKIX")
                    .validate(CertificateFactory.getInstance("X.509").generateCertPath(chain), parameters);
            return List.of();
        } catch (CertPathValidatorException e) {
            return List.of(file + ": no authority of " + Authority.CERTIFICATE_FILE + " vouches for it ("
                    + e.getMessage() + ")");
        } catch (GeneralSecurityException e) {
            return List.of(file + ": cannot be checked: " + e.getMessage());
        }
    }

    private static boolean belong(PrivateKey key, X509Certificate certificate) {
        String algorithm = key.getAlgorithm().equals("EC") ? "SHA256withECDSA" : "SHA256withRSA";
        byte[] message = {1, 2, 3};
        try {
            Signature signature = Signature.getInstance(algorithm);
            signature.initSign(key);
            signature.update(message);
            byte[] signed = signature.sign();
            signature.initVerify(certificate.getPublicKey());
            signature.update(message);
            return signature.verify(signed);
        } catch (GeneralSecurityException e) {
            return false; // a key of another kind
        }
    }
}
