// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.security;

import java.io.IOException;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/**
 * What {@code chorale certs} is asked for: a folder with a node's certificate, of an authority that is made where there
 * is none yet.
 *
 * @param out where the node's folder is to be, and the authority unless another is given
 * @param authority the folder of an authority that there is
 * @param hosts names and addresses under which others connect to the node
 * @param name of the node, and of its folder; where empty, the first host
 * @param days that the certificate counts for
 */
public record CertificateRequest(
        Path out, Optional<Path> authority, List<String> hosts, Optional<String> name, int days) {
    private static final int MAX_DAYS = 3650;
    private static final Pattern NODE_NAME = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9._:-]{0,62}");
    private static final String OWNER_ALONE = "rwx------";

    /** @throws FaultException COMMAND_INVALID with all problems, each on a line */
    public CertificateRequest {
        hosts = hosts.stream()
                .map(host -> host.toLowerCase(Locale.ROOT))
                .distinct()
                .toList();
        List<String> problems = new ArrayList<>();
        if (hosts.isEmpty() || hosts.size() > HostNames.MAX_HOSTS) {
            problems.add("--host: give 1 to " + HostNames.MAX_HOSTS + " names or addresses, with commas between");
        }
        for (String host : hosts) {
            String defect = HostNames.defect(host);
            if (!defect.isEmpty()) {
                problems.add("--host: " + (host.isEmpty() ? "an empty name" : host) + " " + defect);
            }
        }
        name.filter(given -> !NODE_NAME.matcher(given).matches())
                .ifPresent(given -> problems.add("--name: " + given + " is no name of a folder: take letters, digits,"
                        + " dots, hyphens and underscores, 63 at most"));
        if (days < 1 || days > MAX_DAYS) {
            problems.add("--days: " + days + " must be from 1 to " + MAX_DAYS);
        }
        if (!problems.isEmpty()) {
            throw new FaultException(FaultCode.COMMAND_INVALID, String.join("\n", problems));
        }
    }

    /**
     * What was written.
     *
     * @param folder of the node
     * @param authority its folder
     * @param authorityIsNew whether it was made now
     * @param until when the certificate ends
     */
    public record Made(Path folder, Path authority, boolean authorityIsNew, Instant until) {}

    /** Writes the node's folder, whole or not at all. Nothing that exists is replaced. */
    public Made make(Instant now) {
        Path folder = out.resolve(name.orElse(hosts.get(0)));
        if (Files.exists(folder, LinkOption.NOFOLLOW_LINKS)) {
            throw refused(folder + " exists already, and is not replaced: remove it, or give another --name");
        }
        try {
            Path home = authority.orElse(out);
            boolean isNew = authority.isEmpty() && !Authority.isIn(out);
            if (isNew) {
                makeFolder(out);
                Authority.create(now).write(out);
            }
            Authority signer = Authority.read(home);
            Duration life = Duration.ofDays(days);
            if (now.plus(life).isAfter(signer.end())) {
                throw refused("--days: " + days + " is too long: the authority of " + home + " itself ends at "
                        + signer.end());
            }
            Credentials issued = signer.issue(name.orElse(hosts.get(0)), new HostNames(hosts), now, life);
            makeFolder(out);
            write(folder, signer, issued);
            return new Made(
                    folder, home, isNew, issued.certificate().getNotAfter().toInstant());
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("this Java cannot make EC keys and certificates", e);
        } catch (IOException e) {
            throw new FaultException(FaultCode.OUTPUT_REFUSED, folder + " cannot be written: " + e, e);
        }
    }

    private void write(Path folder, Authority signer, Credentials issued) throws IOException {
        Path draft = Files.createTempDirectory(out, ".node-"); // for its owner alone
        try {
            Pem.writeCertificates(draft.resolve(Authority.CERTIFICATE_FILE), List.of(signer.certificate()));
            Pem.writeCertificates(draft.resolve(NodeCertificates.CERTIFICATE_FILE), issued.chain());
            Pem.writePrivateKey(draft.resolve(NodeCertificates.KEY_FILE), issued.key());
            Files.move(draft, folder, StandardCopyOption.ATOMIC_MOVE);
        } catch (AtomicMoveNotSupportedException e) {
            throw new IllegalStateException("a folder is renamed beside itself", e);
        } finally {
            for (String name : NodeCertificates.FILES) {
                Files.deleteIfExists(draft.resolve(name)); // nothing is there after the move
            }
            Files.deleteIfExists(draft);
        }
    }

    private static void makeFolder(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            Files.createDirectories(
                    folder, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(OWNER_ALONE)));
        }
    }

    private static FaultException refused(String what) {
        return new FaultException(FaultCode.OUTPUT_REFUSED, what);
    }
}
