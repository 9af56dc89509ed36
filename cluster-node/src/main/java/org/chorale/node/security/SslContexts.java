// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.security;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.chorale.proto.fault.FaultException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The TLS context of a node's folder of certificates, made anew when the files have changed, so that certificates are
 * replaced without a restart. Files that do not fit together, as in the middle of a replacement, change nothing.
 */
final class SslContexts {
    static final String PROTOCOL = "TLSv1.3";

    private static final Logger LOG = LoggerFactory.getLogger(SslContexts.class);
    private static final char[] NO_PASSWORD = {};

    private final Path folder;
    private final String host;
    private final Duration lookEvery;

    private List<Object> stamps;
    private SSLContext current;
    private long lookedNanos = System.nanoTime();

    /**
     * @param host which the node's certificate is for
     * @param lookEvery so often the files are looked at, at most
     */
    SslContexts(Path folder, String host, Duration lookEvery) {
        this.folder = folder;
        this.host = host;
        this.lookEvery = lookEvery;
        stamps = stampsOfFiles();
        current = context(NodeCertificates.read(folder, host, Instant.now()));
    }

    synchronized SSLContext current() {
        if (System.nanoTime() - lookedNanos >= lookEvery.toNanos()) {
            lookedNanos = System.nanoTime();
            List<Object> found = stampsOfFiles();
            if (!found.equals(stamps)) {
                stamps = found;
                replace();
            }
        }
        return current;
    }

    private void replace() {
        try {
            current = context(NodeCertificates.read(folder, host, Instant.now()));
            LOG.info("took new certificates from {}", folder);
        } catch (FaultException e) {
            LOG.warn("went on with the old certificates: {}", e.getMessage());
        }
    }

    /** Times and sizes; a link's are those of the file behind it. */
    private List<Object> stampsOfFiles() {
        List<Object> found = new ArrayList<>();
        for (String name : NodeCertificates.FILES) {
            Path file = folder.resolve(name);
            try {
                found.add(Files.getLastModifiedTime(file));
                found.add(Files.size(file));
            } catch (IOException e) {
                found.add("missing");
            }
        }
        return found;
    }

    private static SSLContext context(NodeCertificates certificates) {
        try {
            KeyStore keys = KeyStore.getInstance("PKCS12");
            keys.load(null, null);
            Credentials own = certificates.own();
            keys.setKeyEntry("node", own.key(), NO_PASSWORD, own.chain().toArray(X509Certificate[]::new));
            KeyManagerFactory keyManagers = KeyManagerFactory.getInstance("PKIX");
            keyManagers.init(keys, NO_PASSWORD);

            KeyStore trusted = KeyStore.getInstance("PKCS12");
            trusted.load(null, null);
            for (X509Certificate authority : certificates.authorities()) {
                trusted.setCertificateEntry(String.valueOf(trusted.size()), authority);
            }
            TrustManagerFactory trustManagers = TrustManagerFactory.getInstance("PKIX");
            trustManagers.init(trusted);

            SSLContext context = SSLContext.getInstance(PROTOCOL);
            context.init(keyManagers.getKeyManagers(), trustManagers.getTrustManagers(), null);
            return context;
        } catch (GeneralSecurityException | IOException e) {
            throw new IllegalStateException("certificates that were checked cannot be used", e);
        }
    }
}
