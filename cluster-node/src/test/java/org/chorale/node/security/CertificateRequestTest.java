// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.security;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.InstanceOfAssertFactories.type;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.assertj.core.api.AbstractThrowableAssert;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class CertificateRequestTest {
    private final Instant now = Instant.now();

    @TempDir
    Path home;

    @Test
    void theFirstNodeGetsAnAuthorityTooAndTheSecondSharesIt() {
        CertificateRequest.Made first = request("node-1.example", "10.0.0.7").make(now);
        CertificateRequest.Made second = request("node-2.example").make(now);

        assertThat(first.authorityIsNew()).isTrue();
        assertThat(second.authorityIsNew()).isFalse();
        assertThat(first.folder()).isEqualTo(home.resolve("certs/node-1.example"));
        for (String host : List.of("node-1.example", "10.0.0.7")) {
            assertThat(NodeCertificates.read(first.folder(), host, now).authorities())
                    .isEqualTo(NodeCertificates.read(second.folder(), "node-2.example", now)
                            .authorities());
        }
    }

    @Test
    void aCertificateIsForBothEndsOfAConnectionForItsHostsAndItsDays() throws Exception {
        Path folder =
                request("node-1.example", "10.0.0.7", "2001:db8::7").make(now).folder();
        X509Certificate certificate =
                Pem.readCertificates(folder.resolve("node.pem")).get(0);

        assertThat(certificate.getVersion()).isEqualTo(3);
        assertThat(certificate.getExtendedKeyUsage()).isEqualTo(Cluster.BOTH);
        assertThat(certificate.getBasicConstraints()).as("no authority").isNegative();
        assertThat(certificate.getKeyUsage()).startsWith(true, false, false);
        assertThat(HostNames.of(certificate).hosts())
                .containsExactly("node-1.example", "10.0.0.7", "2001:db8:0:0:0:0:0:7");
        assertThat(Duration.between(now, certificate.getNotAfter().toInstant()))
                .isBetween(Duration.ofDays(30).minusSeconds(1), Duration.ofDays(30));
        assertThat(certificate.getSubjectX500Principal().getName()).contains(" "); // is never taken for a host
    }

    @Test
    void keysAreForTheirOwnerAlone() throws Exception {
        Path folder = request("node-1").make(now).folder();

        for (Path key : List.of(folder.resolve("node-key.pem"), home.resolve("certs/ca-key.pem"))) {
            assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(key)))
                    .isEqualTo("rw-------");
        }
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(folder)))
                .isEqualTo("rwx------");
    }

    @Test
    void nothingIsReplacedAndNothingHalfIsLeft() throws Exception {
        Path folder = request("node-1").make(now).folder();
        byte[] before = Files.readAllBytes(folder.resolve("node.pem"));

        assertRefused(() -> request("node-1").make(now)).hasMessageContaining(folder + " exists already");

        assertThat(Files.readAllBytes(folder.resolve("node.pem"))).isEqualTo(before);
        try (Stream<Path> entries = Files.list(home.resolve("certs"))) {
            assertThat(entries.map(entry -> entry.getFileName().toString()))
                    .containsExactlyInAnyOrder("ca.pem", "ca-key.pem", "node-1");
        }
    }

    @Test
    void anAuthorityWhoseKeyIsElsewhereIsNotReplaced() throws Exception {
        request("node-1").make(now);
        Files.delete(home.resolve("certs/ca-key.pem"));

        assertThatThrownBy(() -> request("node-2").make(now))
                .isInstanceOf(FaultException.class)
                .hasMessageContaining("certs/ca-key.pem: does not exist");
    }

    @Test
    void anAuthorityOfAnotherFolderSignsAndIsNotCopied() {
        request("node-1").make(now);
        Path elsewhere = home.resolve("elsewhere");

        CertificateRequest.Made made = new CertificateRequest(
                        elsewhere, Optional.of(home.resolve("certs")), List.of("node-2"), Optional.of("n2"), 30)
                .make(now);

        assertThat(made.folder()).isEqualTo(elsewhere.resolve("n2"));
        assertThat(elsewhere.resolve("ca-key.pem")).doesNotExist();
        NodeCertificates.read(made.folder(), "node-2", now);
    }

    @Test
    void aNodeDoesNotOutliveItsAuthority() {
        request("node-1").make(now);
        Instant nineYearsOn = now.plus(Duration.ofDays(9 * 365));

        assertRefused(() -> new CertificateRequest(
                                home.resolve("certs"), Optional.empty(), List.of("node-2"), Optional.empty(), 3650)
                        .make(nineYearsOn))
                .hasMessageContaining("--days: 3650 is too long");
    }

    @Test
    void allThatIsWrongIsToldAtOnce() {
        assertThatThrownBy(() -> new CertificateRequest(
                        home, Optional.empty(), List.of("*.example", "0.0.0.0", "ok"), Optional.of("../x"), 0))
                .asInstanceOf(type(FaultException.class))
                .extracting(
                        e -> e.fault().code(), e -> e.fault().message().lines().count())
                .containsExactly(FaultCode.COMMAND_INVALID, 4L);
    }

    private CertificateRequest request(String... hosts) {
        return new CertificateRequest(home.resolve("certs"), Optional.empty(), List.of(hosts), Optional.empty(), 30);
    }

    private static AbstractThrowableAssert<?, ? extends Throwable> assertRefused(ThrowingCallable call) {
        return assertThatThrownBy(call)
                .satisfies(e -> assertThat(((FaultException) e).fault().code()).isEqualTo(FaultCode.OUTPUT_REFUSED));
    }
}
