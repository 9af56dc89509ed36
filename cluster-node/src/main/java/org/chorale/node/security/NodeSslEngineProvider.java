// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.security;

import com.typesafe.config.Config;
import java.net.InetAddress;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.Set;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSession;
import org.apache.pekko.actor.ActorSystem;
import org.apache.pekko.actor.ExtendedActorSystem;
import org.apache.pekko.remote.artery.tcp.SSLEngineProvider;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import scala.Option;

/**
 * Artery's TLS, of which {@link NodeSecurity#artery} tells Pekko. Pekko's own providers either read password-protected
 * stores, or PEM files with RSA keys alone, and then compare no name with a host. The package says who checks what.
 */
public final class NodeSslEngineProvider implements SSLEngineProvider {
    static final String FOLDER_KEY = "chorale.node.certificates";

    private static final Logger LOG = LoggerFactory.getLogger(NodeSslEngineProvider.class);
    private static final Duration LOOK_EVERY = Duration.ofSeconds(10);

    private final ExtendedActorSystem system;
    private final SslContexts contexts;

    /** Pekko calls this once for an actor system. */
    public NodeSslEngineProvider(ActorSystem system) {
        this.system = (ExtendedActorSystem) system;
        Config config = system.settings().config();
        contexts = new SslContexts(
                Path.of(config.getString(FOLDER_KEY)),
                config.getString("pekko.remote.artery.canonical.hostname"),
                LOOK_EVERY);
    }

    @Override
    public SSLEngine createServerSSLEngine(String host, int port) {
        SSLEngine engine = engine(host, port);
        engine.setUseClientMode(false);
        SSLParameters parameters = engine.getSSLParameters();
        parameters.setNeedClientAuth(true);
        engine.setSSLParameters(parameters);
        return engine;
    }

    @Override
    public SSLEngine createClientSSLEngine(String host, int port) {
        SSLEngine engine = engine(host, port);
        engine.setUseClientMode(true);
        SSLParameters parameters = engine.getSSLParameters();
        parameters.setEndpointIdentificationAlgorithm("HTTPS"); // the certificate names the host (RFC 2818)
        engine.setSSLParameters(parameters);
        return engine;
    }

    private SSLEngine engine(String host, int port) {
        SSLEngine engine = contexts.current().createSSLEngine(host, port);
        engine.setEnabledProtocols(new String[] {SslContexts.PROTOCOL});
        return engine;
    }

    /** After every handshake of a connection that this node has made, a resumed one included. */
    @Override
    public Option<Throwable> verifyClientSession(String host, SSLSession session) {
        try {
            peer(session, CertificateDraft.SERVER);
            return Option.empty();
        } catch (GeneralSecurityException | SSLException e) {
            return refused(host, e);
        }
    }

    /** After every handshake of a connection that was made to this node, likewise. */
    @Override
    public Option<Throwable> verifyServerSession(String host, SSLSession session) {
        try {
            HostNames hosts = HostNames.of(peer(session, CertificateDraft.CLIENT));
            if (hosts.isEmpty()) {
                throw new CertificateException("names no host");
            }
            Set<InetAddress> sources = InboundConnections.to(ownPort(session));
            if (hosts.addresses().noneMatch(sources::contains)) {
                throw new CertificateException("is for " + hosts + ", from where nobody is connected");
            }
            return Option.empty();
        } catch (GeneralSecurityException | SSLException e) {
            return refused("a client", e);
        }
    }

    private static X509Certificate peer(SSLSession session, String purpose)
            throws GeneralSecurityException, SSLException {
        X509Certificate certificate = (X509Certificate) session.getPeerCertificates()[0];
        certificate.checkValidity();
        if (!NodeCertificates.isFor(purpose, certificate)) {
            throw new CertificateException("is not for this purpose (extended key usage " + purpose + ")");
        }
        return certificate;
    }

    /** A server's engine was made for the node's own port, which is 0 where the system is to choose one. */
    private int ownPort(SSLSession session) {
        int bound = session.getPeerPort();
        Option<Object> chosen = system.provider().getDefaultAddress().port();
        return bound > 0 || chosen.isEmpty() ? bound : (Integer) chosen.get();
    }

    private static Option<Throwable> refused(String peer, Exception reason) {
        LOG.warn("refused the certificate of {}: it {}", peer, reason.getMessage());
        return Option.apply(reason);
    }
}
