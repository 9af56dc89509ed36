// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/**
 * The files that a source is made of, in the order of their examples.
 *
 * @param root the folder that the names are relative to
 * @param format how they are read
 * @param files in order
 */
record SourceFiles(Path root, Format format, List<SourceFile> files) {
    /** How a source is read. */
    enum Format {
        /** One file with a row per example, perhaps compressed. */
        JSONL,
        /** A folder of texts, some perhaps compressed, each cut into windows. */
        TEXT_FOLDER
    }

    /** Beyond this many files a folder is refused: its names alone would fill the memory. */
    private static final int MAX_FILES = 20_000_000;

    private static final String RIGHT =
            "must be a .jsonl file or a folder of text files, compressed (.gz, .zst) or not";

    /** Looks at the source now. */
    static SourceFiles of(SourceSettings source) {
        Path path = source.path();
        try {
            if (Files.isDirectory(path) && source.numbers().areUsed()) {
                throw new FaultException(
                        FaultCode.CONFIG_INVALID,
                        "%s = %s: is a folder of texts; with data.numbers it must be a .jsonl file"
                                .formatted(source.key(), path));
            } else if (Files.isDirectory(path)) {
                return new SourceFiles(path, Format.TEXT_FOLDER, list(path));
            } else if (ExpandedFiles.plainName(path.toString()).endsWith(".jsonl") && Files.isRegularFile(path)) {
                Path folder = path.toAbsolutePath().normalize().getParent();
                String name = String.valueOf(path.getFileName());
                return new SourceFiles(
                        folder == null ? path : folder, Format.JSONL, List.of(SourceFile.of(name, path)));
            } else if (Files.exists(path)) {
                throw new FaultException(FaultCode.CONFIG_INVALID, "%s = %s: %s".formatted(source.key(), path, RIGHT));
            }
            throw new NoSuchFileException(path.toString());
        } catch (NoSuchFileException e) {
            throw new FaultException(
                    FaultCode.FILE_MISSING,
                    "%s = %s: %s does not exist; %s".formatted(source.key(), path, e.getFile(), RIGHT));
        } catch (IOException e) {
            throw unreadable(source, path, e);
        }
    }

    Path path(SourceFile file) {
        return root.resolve(file.name());
    }

    static FaultException unreadable(SourceSettings source, Path path, IOException cause) {
        return new FaultException(
                FaultCode.FILE_MISSING,
                "%s = %s: %s cannot be read (%s)".formatted(source.key(), source.path(), path, cause),
                cause);
    }

    /** Regular files in the order of their names; no hidden ones, no links, so that nothing outside is read. */
    private static List<SourceFile> list(Path root) throws IOException {
        Path folder = root.toRealPath();
        List<SourceFile> files = new ArrayList<>();
        Files.walkFileTree(folder, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult preVisitDirectory(Path inner, BasicFileAttributes attributes) {
                return !inner.equals(folder) && hidden(inner) ? FileVisitResult.SKIP_SUBTREE : FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                if (attributes.isRegularFile() && !hidden(file)) {
                    files.add(SourceFile.of(folder.relativize(file).toString(), file));
                }
                if (files.size() > MAX_FILES) {
                    throw new IOException("more than " + MAX_FILES + " files");
                }
                return FileVisitResult.CONTINUE;
            }
        });
        files.sort(Comparator.comparing(SourceFile::name));
        return files;
    }

    private static boolean hidden(Path path) {
        return String.valueOf(path.getFileName()).startsWith(".");
    }
}
