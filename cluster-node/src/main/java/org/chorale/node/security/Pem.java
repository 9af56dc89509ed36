// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.security;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.cert.CertificateEncodingException;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.EnumSet;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/** Certificates and private keys as text (RFC 7468). */
final class Pem {
    private static final int MAX_BYTES = 1 << 16;
    private static final String OWNER_ALONE = "rw-------";
    private static final String EVERYBODY_READS = "rw-r--r--";
    private static final Pattern SECTION = Pattern.compile("-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \\1-----");

    private Pem() {}

    /** At least one. */
    static List<X509Certificate> readCertificates(Path file) {
        List<byte[]> sections = sections(file, "CERTIFICATE");
        if (sections.isEmpty()) {
            throw malformed(file, "holds no -----BEGIN CERTIFICATE-----");
        }
        try {
            CertificateFactory factory = CertificateFactory.getInstance("X.509");
            return sections.stream()
                    .map(section -> certificate(factory, file, section))
                    .toList();
        } catch (CertificateException e) {
            throw new IllegalStateException("Java reads X.509", e);
        }
    }

    private static X509Certificate certificate(CertificateFactory factory, Path file, byte[] der) {
        try {
            return (X509Certificate) factory.generateCertificate(new ByteArrayInputStream(der));
        } catch (CertificateException e) {
            throw malformed(file, "a certificate in it cannot be read (" + e.getMessage() + ")");
        }
    }

    /** In PKCS #8, not encrypted. */
    static PrivateKey readPrivateKey(Path file) {
        List<byte[]> sections = sections(file, "PRIVATE KEY");
        if (sections.size() != 1) {
            throw malformed(
                    file,
                    "holds " + sections.size()
                            + " times -----BEGIN PRIVATE KEY----- instead of once; what other formats"
                            + " hold is converted by: openssl pkcs8 -topk8 -nocrypt -in KEY -out "
                            + file.getFileName());
        }
        PKCS8EncodedKeySpec encoded = new PKCS8EncodedKeySpec(sections.get(0));
        return Stream.of("EC", "RSA")
                .flatMap(algorithm -> key(algorithm, encoded))
                .findFirst()
                .orElseThrow(() -> malformed(file, "is neither an EC nor an RSA key"));
    }

    private static Stream<PrivateKey> key(String algorithm, PKCS8EncodedKeySpec encoded) {
        try {
            return Stream.of(KeyFactory.getInstance(algorithm).generatePrivate(encoded));
        } catch (GeneralSecurityException e) {
            return Stream.empty(); // of another algorithm, or of none
        }
    }

    static void writeCertificates(Path file, List<X509Certificate> certificates) {
        StringBuilder text = new StringBuilder();
        for (X509Certificate certificate : certificates) {
            try {
                text.append(section("CERTIFICATE", certificate.getEncoded()));
            } catch (CertificateEncodingException e) {
                throw new IllegalStateException(e);
            }
        }
        write(file, text.toString(), EVERYBODY_READS);
    }

    static void writePrivateKey(Path file, PrivateKey key) {
        write(file, section("PRIVATE KEY", key.getEncoded()), OWNER_ALONE);
    }

    private static List<byte[]> sections(Path file, String label) {
        Matcher matcher = SECTION.matcher(read(file));
        return matcher.results()
                .filter(section -> section.group(1).equals(label))
                .map(section -> decoded(file, section.group(2)))
                .toList();
    }

    private static byte[] decoded(Path file, String base64) {
        try {
            return Base64.getMimeDecoder().decode(base64);
        } catch (IllegalArgumentException e) {
            throw malformed(file, "is not base64 (" + e.getMessage() + ")");
        }
    }

    private static String read(Path file) {
        try {
            if (!Files.isRegularFile(file)) {
                throw new FaultException(
                        FaultCode.CERTIFICATES_INVALID,
                        file + (Files.exists(file) ? ": is no regular file" : ": does not exist"));
            } else if (Files.size(file) > MAX_BYTES) {
                throw malformed(file, "is longer than " + MAX_BYTES + " bytes");
            }
            return Files.readString(file, StandardCharsets.ISO_8859_1);
        } catch (IOException e) {
            throw new FaultException(FaultCode.CERTIFICATES_INVALID, file + ": cannot be read: " + e, e);
        }
    }

    private static void write(Path file, String text, String permissions) {
        try (SeekableByteChannel channel = Files.newByteChannel(
                file,
                EnumSet.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(permissions)))) {
            ByteBuffer bytes = StandardCharsets.US_ASCII.encode(text);
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
        } catch (FileAlreadyExistsException e) {
            throw new FaultException(FaultCode.OUTPUT_REFUSED, file + " exists already, and is not replaced", e);
        } catch (NoSuchFileException e) {
            throw new FaultException(FaultCode.OUTPUT_REFUSED, file + " cannot be made: its folder is gone", e);
        } catch (IOException e) {
            throw new FaultException(FaultCode.OUTPUT_REFUSED, file + " cannot be written: " + e, e);
        }
    }

    private static String section(String label, byte[] der) {
        Base64.Encoder lines = Base64.getMimeEncoder(64, new byte[] {'\n'});
        return "-----BEGIN %s-----%n%s%n-----END %1$s-----%n".formatted(label, lines.encodeToString(der));
    }

    private static FaultException malformed(Path file, String what) {
        return new FaultException(FaultCode.CERTIFICATES_INVALID, file + ": " + what);
    }
}
