// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.checkpoint;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.Objects;
import java.util.stream.Stream;

/** A folder that appears under its name whole and durable, or not at all. */
final class NewFolder {
    private NewFolder() {}

    /** Writes what the folder is to hold. */
    interface Content {
        void writeInto(Path folder) throws IOException;
    }

    static void create(Path out, Content content) {
        Path absolute = out.toAbsolutePath();
        Path unfinished = absolute.resolveSibling("." + absolute.getFileName() + ".unfinished");
        try {
            if (Files.exists(absolute)) {
                throw new FileAlreadyExistsException(
                        absolute.toString(), null, "name a folder that does not exist yet");
            }
            delete(unfinished);
            Files.createDirectories(unfinished);
            content.writeInto(unfinished);
            syncAll(unfinished);
            Files.move(unfinished, absolute, StandardCopyOption.ATOMIC_MOVE);
            sync(Objects.requireNonNull(absolute.getParent(), () -> absolute + " has no folder"));
        } catch (IOException e) {
            throw new UncheckedIOException(out + ": could not be written: " + e, e);
        } finally {
            deleteWithoutFail(unfinished);
        }
    }

    private static void syncAll(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.toList()) {
                sync(file);
            }
        }
        sync(folder);
    }

    /** Makes a file's bytes, or a folder's names, survive a power cut. */
    private static void sync(Path path) throws IOException {
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    /** After a success there is nothing to delete; after a failure, that failure is what counts. */
    private static void deleteWithoutFail(Path folder) {
        try {
            delete(folder);
        } catch (IOException e) {
            // The next export to the same place tries again, and says why it cannot.
        }
    }

    /** What an export that failed or was killed has left. */
    private static void delete(Path folder) throws IOException {
        if (Files.notExists(folder)) {
            return;
        }
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }
}
