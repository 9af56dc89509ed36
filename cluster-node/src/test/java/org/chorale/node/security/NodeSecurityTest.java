// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.security;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.typesafe.config.Config;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import javax.net.ssl.SSLContext;
import org.assertj.core.api.AbstractStringAssert;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class NodeSecurityTest {
    @TempDir
    Path home;

    private Cluster cluster;

    @BeforeEach
    void make() throws Exception {
        cluster = Cluster.in(home);
    }

    @ParameterizedTest
    @ValueSource(strings = {"127.0.0.1", "127.0.0.2", "localhost", "::1"})
    void onLoopbackNoCertificateIsNeeded(String host) {
        Config artery = NodeSecurity.of(Optional.empty(), false, host).artery().getConfig("pekko.remote.artery");

        assertThat(artery.getString("transport")).isEqualTo("tcp");
        assertThat(artery.getString("canonical.hostname")).isEqualTo(host);
    }

    @Test
    void beyondLoopbackThereIsTlsOrItWasSaidInSoManyWords() throws Exception {
        Path folder = cluster.node("10.0.0.7");

        assertThat(problems(Optional.empty(), "10.0.0.7"))
                .contains("10.0.0.7 is not this machine's loopback", "chorale certs", "--certs", "--insecure");
        assertThat(transport(NodeSecurity.of(Optional.empty(), true, "10.0.0.7")))
                .isEqualTo("tcp");
        assertThat(transport(NodeSecurity.of(Optional.of(folder), false, "10.0.0.7")))
                .isEqualTo("tls-tcp");
    }

    @ParameterizedTest
    @ValueSource(strings = {"0.0.0.0", "::", "", "10.0.0.7:2550", "no-such-host.invalid"})
    void whatNobodyCanConnectToIsRefused(String host) {
        assertThat(problems(Optional.empty(), host)).startsWith(host);
    }

    @Test
    void insecurityAndCertificatesExcludeEachOther() throws Exception {
        Path folder = cluster.node("10.0.0.7");

        assertThatThrownBy(() -> NodeSecurity.of(Optional.of(folder), true, "10.0.0.7"))
                .hasMessage("--insecure and --certs exclude each other");
    }

    @Test
    void aMissingFolderIsToldWithEachOfItsFiles() {
        assertThat(problems(home.resolve("nowhere"), "127.0.0.1").lines())
                .hasSize(3)
                .allMatch(line -> line.endsWith("does not exist"));
    }

    @Test
    void allProblemsOfAFolderAreToldAtOnce() throws Exception {
        Path folder = cluster.withPurposes(List.of(CertificateDraft.SERVER), "10.0.0.8");
        Path other = cluster.node("10.0.0.9");
        Files.copy(other.resolve("node-key.pem"), folder.resolve("node-key.pem"), StandardCopyOption.REPLACE_EXISTING);
        Files.setPosixFilePermissions(folder.resolve("node-key.pem"), PosixFilePermissions.fromString("rw-r--r--"));

        assertThat(problems(folder, "10.0.0.7").lines())
                .satisfiesExactlyInAnyOrder(
                        line -> assertThat(line).contains("node-key.pem", "chmod 600"),
                        line -> assertThat(line).contains("node.pem: is for 10.0.0.8, but the node is to be 10.0.0.7"),
                        line -> assertThat(line).contains("node.pem: must be for serverAuth and clientAuth"),
                        line -> assertThat(line).contains("node-key.pem: is not the key of the certificate"));
    }

    @Test
    void aCertificateOutOfDateIsRefused() throws Exception {
        assertProblem(cluster.expired("127.0.0.1")).contains("node.pem: counts from ", " and now is ");
    }

    @Test
    void aCertificateOfAnotherAuthorityIsRefused() throws Exception {
        Path folder = cluster.node("127.0.0.1");
        Path foreign = Cluster.in(home).node("127.0.0.1");
        Files.copy(foreign.resolve("ca.pem"), folder.resolve("ca.pem"), StandardCopyOption.REPLACE_EXISTING);

        assertProblem(folder).contains("node.pem: no authority of ca.pem vouches for it");
    }

    @Test
    void aNodesCertificateIsNoAuthority() throws Exception {
        Path folder = cluster.node("127.0.0.1");
        Files.copy(folder.resolve("node.pem"), folder.resolve("ca.pem"), StandardCopyOption.REPLACE_EXISTING);

        assertThat(problems(folder, "127.0.0.1")).contains("ca.pem: holds a certificate that is no authority's");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "nonsense",
                "-----BEGIN PRIVATE KEY-----\n!!!!\n-----END PRIVATE KEY-----",
                "-----BEGIN PRIVATE KEY-----\nMAMCAQA=\n-----END PRIVATE KEY-----",
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAMCAQA=\n-----END ENCRYPTED PRIVATE KEY-----",
                "-----BEGIN RSA PRIVATE KEY-----\nMAMCAQA=\n-----END RSA PRIVATE KEY-----",
                "-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----"
            })
    void filesThatHoldSomethingElseAreRefusedByName(String content) throws Exception {
        for (String file : NodeCertificates.FILES) {
            Path folder = cluster.node("127.0.0.1");
            Files.writeString(folder.resolve(file), content);

            assertThat(problems(folder, "127.0.0.1")).contains(folder.resolve(file) + ": ");
        }
    }

    @Test
    void aFolderInThePlaceOfAFileAndAHugeFileAreRefused() throws Exception {
        Path folder = cluster.node("127.0.0.1");
        Files.delete(folder.resolve("ca.pem"));
        Files.createDirectory(folder.resolve("ca.pem"));
        Files.write(folder.resolve("node.pem"), new byte[1 << 20]);

        assertThat(problems(folder, "127.0.0.1")).contains("ca.pem: is no regular file", "node.pem: is longer than");
    }

    @Test
    void newCertificatesAreTakenWithoutARestartAndBadOnesAreNot() throws Exception {
        Path folder = cluster.node("127.0.0.1");
        SslContexts contexts = new SslContexts(folder, "127.0.0.1", Duration.ZERO);
        SSLContext first = contexts.current();
        assertThat(contexts.current()).isSameAs(first);

        Files.writeString(folder.resolve("node.pem"), "half a file");
        assertThat(contexts.current()).isSameAs(first);

        Path renewed = cluster.node("127.0.0.1", "renewed.example");
        for (String file : NodeCertificates.FILES) {
            Files.move(renewed.resolve(file), folder.resolve(file), StandardCopyOption.REPLACE_EXISTING);
        }
        assertThat(contexts.current()).isNotSameAs(first);
    }

    private AbstractStringAssert<?> assertProblem(Path folder) {
        return assertThat(problems(folder, "127.0.0.1")).doesNotContain("\n");
    }

    private static String problems(Path folder, String host) {
        return problems(Optional.of(folder), host);
    }

    private static String problems(Optional<Path> folder, String host) {
        try {
            NodeSecurity.of(folder, false, host);
            return "";
        } catch (FaultException e) {
            assertThat(e.fault().code()).isEqualTo(FaultCode.CERTIFICATES_INVALID);
            return e.fault().message();
        }
    }

    private static String transport(NodeSecurity security) {
        return security.artery().getString("pekko.remote.artery.transport");
    }
}
