// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.security;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.Principal;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.util.Optional;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509ExtendedKeyManager;
import org.jspecify.annotations.Nullable;

/**
 * A client that shows whatever certificate it is given, and believes the authority beside it.
 *
 * @param shown the folder of the certificate; without one, none is shown
 * @param believed the folder whose {@code ca.pem} the server must be of
 */
record TlsClient(Optional<Path> shown, Path believed, String protocol) {
    private static final int CONNECT_MILLIS = 5_000;

    static TlsClient showing(Path folder, Path believed) {
        return new TlsClient(Optional.of(folder), believed, "TLSv1.3");
    }

    /** What becomes of a connection that says nothing after the handshake. */
    enum Outcome {
        LISTENED_TO,
        ANSWERED,
        REFUSED
    }

    /** @param silenceMillis after which nobody is refused any more */
    Outcome connect(InetSocketAddress server, int silenceMillis) throws Exception {
        try (SSLSocket socket = (SSLSocket) context().getSocketFactory().createSocket()) {
            socket.setEnabledProtocols(new String[] {protocol});
            socket.connect(server, CONNECT_MILLIS);
            socket.setSoTimeout(CONNECT_MILLIS);
            socket.startHandshake();
            socket.setSoTimeout(silenceMillis);
            // In TLS 1.3 a client is done before the server has seen its certificate.
            return socket.getInputStream().read() < 0 ? Outcome.REFUSED : Outcome.ANSWERED;
        } catch (SocketTimeoutException e) {
            return Outcome.LISTENED_TO;
        } catch (IOException e) {
            return Outcome.REFUSED; // by an alert, or a reset
        }
    }

    SSLContext context() throws Exception {
        KeyStore trusted = KeyStore.getInstance("PKCS12");
        trusted.load(null, null);
        trusted.setCertificateEntry(
                "ca", Pem.readCertificates(believed.resolve("ca.pem")).get(0));
        TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(trusted);

        SSLContext context = SSLContext.getInstance("TLS");
        context.init(new KeyManager[] {new Shown(shown)}, trust.getTrustManagers(), null);
        return context;
    }

    /** Java's own would keep a certificate to itself that the server does not ask for. */
    private static final class Shown extends X509ExtendedKeyManager {
        private final Optional<Path> folder;

        Shown(Optional<Path> folder) {
            this.folder = folder;
        }

        @Override
        public X509Certificate @Nullable [] getCertificateChain(String alias) {
            return folder.map(shown -> Pem.readCertificates(shown.resolve("node.pem")))
                    .map(chain -> chain.toArray(X509Certificate[]::new))
                    .orElse(null);
        }

        @Override
        public @Nullable PrivateKey getPrivateKey(String alias) {
            return folder.map(shown -> Pem.readPrivateKey(shown.resolve("node-key.pem")))
                    .orElse(null);
        }

        @Override
        public @Nullable String chooseClientAlias(String[] types, Principal[] issuers, Socket socket) {
            return alias();
        }

        @Override
        public @Nullable String chooseEngineClientAlias(String[] types, Principal[] issuers, SSLEngine engine) {
            return alias();
        }

        @Override
        public @Nullable String chooseServerAlias(String type, Principal[] issuers, Socket socket) {
            return alias();
        }

        @Override
        public @Nullable String chooseEngineServerAlias(String type, Principal[] issuers, SSLEngine engine) {
            return alias();
        }

        @Override
        public String @Nullable [] getClientAliases(String type, Principal[] issuers) {
            return null;
        }

        @Override
        public String @Nullable [] getServerAliases(String type, Principal[] issuers) {
            return null;
        }

        private @Nullable String alias() {
            return folder.isPresent() ? "own" : null;
        }
    }
}
