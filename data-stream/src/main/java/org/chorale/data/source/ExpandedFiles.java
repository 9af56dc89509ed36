// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.stream.Collectors;
import org.chorale.data.disk.Sha256;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/**
 * The compressed files and the tables of a source, each expanded once into a folder beside the index, so that its rows
 * can be read in any order. An expanded file is named after the identity of its original and appears whole or not at all.
 */
final class ExpandedFiles {
    static final String GZIP = ".gz";
    static final String ZSTD = ".zst";

    /** Part of the name of an expanded table: another version of Chorale may write other lines. */
    private static final int TABLE_VERSION = 1;

    private final Path folder;

    ExpandedFiles(Path folder) {
        this.folder = folder;
    }

    static boolean isCompressed(String name) {
        return !archive(name).isEmpty();
    }

    /** The name without the ending of an archive. */
    static String plainName(String name) {
        return name.substring(0, name.length() - archive(name).length());
    }

    /** The ending of an archive; empty where it is none. */
    static String archive(String name) {
        return name.endsWith(GZIP) ? GZIP : name.endsWith(ZSTD) ? ZSTD : "";
    }

    private static boolean isExpanded(SourceFile file) {
        return isCompressed(file.name()) || FileKind.of(file.name()).isTable();
    }

    private Path path(SourceFile file) {
        String identity = "%s\n%d\n%d\n".formatted(file.name(), file.bytes(), file.modifiedNanos())
                + (FileKind.of(file.name()).isTable() ? "table " + TABLE_VERSION + "\n" : "");
        return folder.resolve(Sha256.hex(identity.getBytes(StandardCharsets.UTF_8)));
    }

    /** The file to read rows from: the source's own, or what it was expanded to. */
    Path readable(SourceFiles files, SourceFile file) {
        return isExpanded(file) ? path(file) : files.path(file);
    }

    /** Expands what is not there yet, and deletes what no file of the source stands for any more. */
    void prepare(SourceFiles files) {
        Set<Path> wanted = files.files().stream()
                .filter(ExpandedFiles::isExpanded)
                .map(this::path)
                .collect(Collectors.toSet());
        deleteOthers(wanted);
        for (SourceFile file : files.files()) {
            if (isExpanded(file) && !Files.exists(path(file))) {
                new Expansion(files.path(file), file).write(path(file));
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
}
