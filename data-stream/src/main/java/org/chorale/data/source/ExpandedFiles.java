// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import com.github.luben.zstd.ZstdInputStream;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.stream.Collectors;
import org.chorale.data.disk.DurableFile;
import org.chorale.data.disk.Sha256;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/**
 * The compressed files of a source, each expanded once into a folder beside the index, so that its rows can be read in
 * any order. An expanded file is named after the identity of its archive and appears whole or not at all.
 */
final class ExpandedFiles {
    private static final String GZIP = ".gz";
    private static final String ZSTD = ".zst";

    /** What is expanded at least before a ratio says anything. */
    private static final long ANY_BYTES = 64L << 20;

    /** Text shrinks to a third or a twentieth; what shrinks to less than this is made to fill the disk. */
    private static final long MAX_RATIO = 200;

    /** So much stays free on the disk, which the run's checkpoints also need. */
    private static final long RESERVED_BYTES = 1L << 30;

    private static final int BUFFER_BYTES = 1 << 18;

    private final Path folder;

    ExpandedFiles(Path folder) {
        this.folder = folder;
    }

    static boolean isCompressed(String name) {
        return name.endsWith(GZIP) || name.endsWith(ZSTD);
    }

    /** The name without the ending of an archive. */
    static String plainName(String name) {
        return isCompressed(name) ? name.substring(0, name.lastIndexOf('.')) : name;
    }

    private Path path(SourceFile archive) {
        String identity = "%s\n%d\n%d\n".formatted(archive.name(), archive.bytes(), archive.modifiedNanos());
        return folder.resolve(Sha256.hex(identity.getBytes(StandardCharsets.UTF_8)));
    }

    /** The file to read rows from: the source's own, or the contents of an archive. */
    Path readable(SourceFiles files, SourceFile file) {
        return isCompressed(file.name()) ? path(file) : files.path(file);
    }

    /** Expands what is not there yet, and deletes what no archive of the source stands for any more. */
    void prepare(SourceFiles files) {
        Set<Path> wanted = files.files().stream()
                .filter(file -> isCompressed(file.name()))
                .map(this::path)
                .collect(Collectors.toSet());
        deleteOthers(wanted);
        for (SourceFile file : files.files()) {
            if (isCompressed(file.name()) && !Files.exists(path(file))) {
                expand(files.path(file), file, path(file));
            }
        }
    }

    private void deleteOthers(Set<Path> wanted) {
        if (!Files.isDirectory(folder)) {
            return;
        }
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder)) {
            for (Path entry : entries) {
                if (!wanted.contains(entry)) {
                    Files.delete(entry);
                }
            }
        } catch (IOException e) {
            throw new FaultException(FaultCode.STORAGE_FAILED, folder + " cannot be tidied up: " + e, e);
        }
    }

    private void expand(Path archive, SourceFile file, Path target) {
        try (InputStream in = open(archive, file)) {
            try (DurableFile out = DurableFile.begin(target)) {
                copy(archive, in, out, Math.max(ANY_BYTES, Math.multiplyExact(file.bytes(), MAX_RATIO)));
                out.commit();
            } catch (IOException e) {
                throw new FaultException(
                        FaultCode.STORAGE_FAILED, "%s cannot be expanded to %s: %s".formatted(archive, target, e), e);
            }
        } catch (IOException e) {
            throw damaged(archive, e);
        }
    }

    private static InputStream open(Path archive, SourceFile file) throws IOException {
        if (file.bytes() == 0) {
            throw new IOException("it is empty");
        }
        InputStream raw = new BufferedInputStream(Files.newInputStream(archive), BUFFER_BYTES);
        try {
            return archive.toString().endsWith(GZIP) ? new WholeGzip(raw) : new ZstdInputStream(raw);
        } catch (IOException | RuntimeException | Error e) {
            raw.close();
            throw e;
        }
    }

    private void copy(Path archive, InputStream in, DurableFile out, long maxBytes) throws IOException {
        byte[] buffer = new byte[BUFFER_BYTES];
        long written = 0;
        long measured = 0; // how much was written when the disk was last looked at
        int read = read(archive, in, buffer);
        while (read >= 0) {
            written += read;
            if (written > maxBytes) {
                throw new FaultException(
                        FaultCode.DATA_MALFORMED,
                        "%s: expands to more than %d times its size; expand it yourself if it is meant to"
                                .formatted(archive, MAX_RATIO));
            } else if (written - measured > ANY_BYTES) {
                measured = written;
                refuseFullDisk(archive, written);
            }
            out.out().write(buffer, 0, read);
            read = read(archive, in, buffer);
        }
    }

    /** What goes wrong in reading is the archive's fault, and not that of the disk that is written to. */
    private static int read(Path archive, InputStream in, byte[] buffer) {
        try {
            return in.read(buffer);
        } catch (IOException e) {
            throw damaged(archive, e);
        }
    }

    private void refuseFullDisk(Path archive, long written) throws IOException {
        long free = Files.getFileStore(folder).getUsableSpace();
        if (free < RESERVED_BYTES) {
            throw new FaultException(
                    FaultCode.STORAGE_FAILED,
                    "%s: %d bytes of it are expanded into %s, where only %d bytes are free; %d must stay free"
                            .formatted(archive, written, folder, free, RESERVED_BYTES));
        }
    }

    private static FaultException damaged(Path archive, IOException cause) {
        String kind = archive.toString().endsWith(GZIP) ? "gzip" : "Zstandard";
        return new FaultException(
                FaultCode.DATA_MALFORMED,
                "%s: is no whole %s file (%s); it may have been cut off or damaged"
                        .formatted(
                                archive, kind, cause.getMessage() == null ? "it ends too early" : cause.getMessage()),
                cause);
    }
}
