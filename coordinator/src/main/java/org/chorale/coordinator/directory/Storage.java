// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.directory;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/**
 * What it takes for a file to be there after a power failure: contents are forced before a rename makes them visible,
 * and a folder is forced after its entries changed.
 */
final class Storage {
    /** Work on files whose failure is the storage's. */
    interface FileWork<T> {
        T run() throws IOException;
    }

    private Storage() {}

    /**
     * Runs work on {@code path}.
     *
     * @throws FaultException STORAGE_FAILED, naming the path
     */
    static <T> T at(Path path, FileWork<T> work) {
        try {
            return work.run();
        } catch (IOException e) {
            throw new FaultException(
                    FaultCode.STORAGE_FAILED,
                    "%s: %s: %s; free space or give permission, and start again: the run goes on from its checkpoint"
                            .formatted(path, e.getClass().getSimpleName(), e.getMessage()),
                    e);
        }
    }

    /** Puts a whole file in the place of another, or where none was. */
    static void replace(Path file, byte[] contents) throws IOException {
        Path temporary = file.resolveSibling(file.getFileName() + ".tmp");
        try (FileChannel channel = FileChannel.open(
                temporary, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING)) {
            writeFully(channel, contents);
            channel.force(true);
        }
        move(temporary, file);
    }

    /** Makes a new file and forces it; its folder is not forced. */
    static void create(Path file, byte[] contents) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            writeFully(channel, contents);
            channel.force(true);
        }
    }

    static void writeFully(FileChannel channel, byte[] contents) throws IOException {
        ByteBuffer buffer = ByteBuffer.wrap(contents);
        while (buffer.hasRemaining()) {
            channel.write(buffer);
        }
    }

    /** Renames inside a folder, for good. */
    static void move(Path from, Path to) throws IOException {
        Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
        syncFolder(Objects.requireNonNull(to.toAbsolutePath().getParent(), "a root is never renamed"));
    }

    static void syncFolder(Path folder) throws IOException {
        try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    /** Removes a file or a folder with all that is in it; links are removed, not followed. */
    static void delete(Path path) throws IOException {
        if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        List<Path> deepestFirst;
        try (Stream<Path> walk = Files.walk(path)) {
            deepestFirst = walk.sorted(Comparator.reverseOrder()).toList();
        }
        for (Path entry : deepestFirst) {
            Files.deleteIfExists(entry);
        }
    }

    /** The entries of a folder, by name; none where there is no folder. */
    static List<Path> entries(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            return List.of();
        }
        try (Stream<Path> entries = Files.list(folder)) {
            return entries.sorted().toList();
        }
    }
}
