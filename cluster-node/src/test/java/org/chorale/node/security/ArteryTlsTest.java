// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.security;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorRefResolver;
import org.chorale.node.security.TlsClient.Outcome;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Who gets to speak to a node: a real one, called by real clients. */
@Timeout(60)
final class ArteryTlsTest {
    private static final String HOST = "127.0.0.1";
    /** Where whoever is let in would have been answered, or closed, long ago. */
    private static final int OPEN_MILLIS = 1_000;

    private static final Duration SILENCE = Duration.ofSeconds(2);

    /** Artery's connections over TLS may never close, as SystemEnd says. */
    private static final Duration END_LIMIT = Duration.ofSeconds(2);

    @TempDir
    static Path home;

    private static Cluster cluster;
    private static Path folder;
    private static ActorTestKit node;

    private Optional<ActorTestKit> other = Optional.empty();

    @BeforeAll
    static void start() throws GeneralSecurityException {
        cluster = Cluster.in(home);
        folder = cluster.node(HOST, "localhost");
        node = ActorTestKit.create(
                "node", system(NodeSecurity.of(Optional.of(folder), false, HOST).artery()));
    }

    @AfterAll
    static void stop() {
        end(node);
    }

    @AfterEach
    void stopTheOther() {
        other.ifPresent(ArteryTlsTest::end);
    }

    private static void end(ActorTestKit kit) {
        ActorTestKit.shutdown(kit.system(), END_LIMIT, false);
    }

    @Test
    void whoHasACertificateOfTheClusterIsLetIn() throws Exception {
        assertThat(connect(TlsClient.showing(cluster.node(HOST), folder))).isEqualTo(Outcome.LISTENED_TO);
    }

    @Test
    void whoHasNoneIsNot() throws Exception {
        assertThat(connect(new TlsClient(Optional.empty(), folder, "TLSv1.3"))).isEqualTo(Outcome.REFUSED);
    }

    @Test
    void aCertificateOfAnotherAuthorityIsRefused() throws Exception {
        assertThat(connect(TlsClient.showing(Cluster.in(home).node(HOST), folder)))
                .isEqualTo(Outcome.REFUSED);
    }

    @Test
    void aCertificateOutOfDateIsRefused() throws Exception {
        assertThat(connect(TlsClient.showing(cluster.expired(HOST), folder))).isEqualTo(Outcome.REFUSED);
    }

    @Test
    void aCertificateOfAnotherHostIsRefused() throws Exception {
        assertThat(connect(TlsClient.showing(cluster.node("127.0.0.9"), folder)))
                .isEqualTo(Outcome.REFUSED);
    }

    @Test
    void aCertificateOfNoHostIsRefused() throws Exception {
        assertThat(connect(TlsClient.showing(cluster.withPurposes(Cluster.BOTH), folder)))
                .isEqualTo(Outcome.REFUSED);
    }

    @Test
    void aCertificateThatIsForServersAloneIsRefused() throws Exception {
        assertThat(connect(TlsClient.showing(cluster.withPurposes(List.of(CertificateDraft.SERVER), HOST), folder)))
                .isEqualTo(Outcome.REFUSED);
    }

    @Test
    void aCertificateWithoutAPurposeIsRefused() throws Exception {
        assertThat(connect(TlsClient.showing(cluster.withPurposes(List.of(), HOST), folder)))
                .isEqualTo(Outcome.REFUSED);
    }

    @Test
    void olderProtocolsAreRefused() throws Exception {
        assertThat(connect(new TlsClient(Optional.of(folder), folder, "TLSv1.2")))
                .isEqualTo(Outcome.REFUSED);
    }

    @Test
    void bytesThatAreNoTlsAreNotAnsweredAndTheNodeGoesOn() throws Exception {
        byte[] random = new byte[64 * 1024];
        new Random(7).nextBytes(random);
        byte[] plainArtery = "AKKA\001\004\000\000\000hello".getBytes(StandardCharsets.ISO_8859_1);
        for (byte[] bytes :
                List.of(random, plainArtery, "GET / HTTP/1.1\r\n\r\n".getBytes(StandardCharsets.US_ASCII))) {
            assertThat(sendPlain(bytes)).doesNotContain("AKKA").isNotEqualTo("open");
        }
        assertThat(connect(TlsClient.showing(folder, folder))).isEqualTo(Outcome.LISTENED_TO);
    }

    @Test
    void twoSystemsOfTheClusterSpeak() throws Exception {
        ActorTestKit friend = start(security("127.0.0.2").artery());
        TestProbe<String> here = node.createTestProbe(String.class);
        TestProbe<String> there = friend.createTestProbe(String.class);

        asSeenFrom(friend, node, here).tell("there to here");
        here.expectMessage("there to here");
        asSeenFrom(node, friend, there).tell("here to there");
        there.expectMessage("here to there");
    }

    /** Its connections come from where its certificate says, but it claims another address. */
    @Test
    void aSystemWhoseCertificateDoesNotNameItsAddressReachesNobodyAndIsNotReached() throws Exception {
        ActorTestKit impostor =
                start(claiming("127.0.0.3").withFallback(security("127.0.0.4").artery()));
        TestProbe<String> here = node.createTestProbe(String.class);
        TestProbe<String> there = impostor.createTestProbe(String.class);

        asSeenFrom(impostor, node, here).tell("there to here");
        asSeenFrom(node, impostor, there).tell("here to there");

        here.expectNoMessage(SILENCE);
        there.expectNoMessage(Duration.ZERO);
    }

    /** So that the test above shows what the certificate does. */
    @Test
    void theSameSystemWithACertificateOfBothAddressesIsHeard() throws Exception {
        NodeSecurity both = NodeSecurity.of(Optional.of(cluster.node("127.0.0.4", "127.0.0.3")), false, "127.0.0.4");
        ActorTestKit honest = start(claiming("127.0.0.3").withFallback(both.artery()));
        TestProbe<String> here = node.createTestProbe(String.class);

        asSeenFrom(honest, node, here).tell("there to here");

        here.expectMessage("there to here");
    }

    private static Config claiming(String host) {
        return ConfigFactory.parseMap(Map.of(
                "pekko.remote.artery.canonical.hostname",
                host,
                "pekko.remote.artery.ssl.ssl-engine-provider",
                ImpostorSslEngines.class.getName()));
    }

    @Test
    void aSystemWithoutTlsReachesNobody() {
        ActorTestKit plain =
                start(NodeSecurity.of(Optional.empty(), false, "127.0.0.5").artery());
        TestProbe<String> here = node.createTestProbe(String.class);

        asSeenFrom(plain, node, here).tell("in plain text");

        here.expectNoMessage(SILENCE);
    }

    private static NodeSecurity security(String host) throws GeneralSecurityException {
        return NodeSecurity.of(Optional.of(cluster.node(host)), false, host);
    }

    private ActorTestKit start(Config artery) {
        ActorTestKit started = ActorTestKit.create("other", system(artery));
        other = Optional.of(started);
        return started;
    }

    private static Config system(Config artery) {
        return artery.withFallback(ConfigFactory.parseString("""
                        pekko {
                          actor { provider = remote, allow-java-serialization = off }
                          remote.artery.canonical.port = 0
                          loglevel = ERROR
                          stdout-loglevel = ERROR
                        }
                        """)).withFallback(ConfigFactory.load());
    }

    /** A probe of another system, as if its address had been told. */
    private static ActorRef<String> asSeenFrom(ActorTestKit from, ActorTestKit to, TestProbe<String> probe) {
        String address = ActorRefResolver.get(to.system()).toSerializationFormat(probe.getRef());
        return ActorRefResolver.get(from.system()).resolveActorRef(address);
    }

    private static Outcome connect(TlsClient client) throws Exception {
        return client.connect(address(), OPEN_MILLIS);
    }

    private static InetSocketAddress address() {
        return new InetSocketAddress(InetAddress.getLoopbackAddress(), (Integer)
                node.system().address().port().get());
    }

    private static String sendPlain(byte[] bytes) throws IOException {
        try (Socket socket = new Socket()) {
            socket.connect(address(), OPEN_MILLIS);
            socket.setSoTimeout(OPEN_MILLIS);
            socket.getOutputStream().write(bytes);
            socket.getOutputStream().flush();
            return new String(socket.getInputStream().readAllBytes(), StandardCharsets.ISO_8859_1);
        } catch (SocketTimeoutException e) {
            return "open";
        } catch (IOException e) {
            return "reset";
        }
    }
}
