// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.safetensors;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.UUID;

/**
 * A file that appears under its name whole and durable, or not at all. It is written as {@code .NAME.RANDOM.tmp} in the
 * same folder; only a process that is killed leaves one of these behind, and no reader looks at them.
 */
public final class AtomicFile implements AutoCloseable {
    static final String TEMPORARY_SUFFIX = ".tmp";

    private final Path target;
    private final Path temporary;
    private final FileChannel channel;
    private final MessageDigest digest = sha256();
    private long bytes;

    private AtomicFile(Path target, Path temporary, FileChannel channel) {
        this.target = target;
        this.temporary = temporary;
        this.channel = channel;
    }

    public static AtomicFile create(Path target) throws IOException {
        Path absolute = target.toAbsolutePath();
        Path temporary =
                absolute.resolveSibling("." + absolute.getFileName() + "." + UUID.randomUUID() + TEMPORARY_SUFFIX);
        FileChannel channel = FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
        return new AtomicFile(absolute, temporary, channel);
    }

    public void write(ByteBuffer content) throws IOException {
        digest.update(content.duplicate());
        bytes += content.remaining();
        while (content.hasRemaining()) {
            channel.write(content);
        }
    }

    /** Publishes the file. When this returns, it survives a loss of power. */
    public WrittenFile commit() throws IOException {
        channel.force(true);
        channel.close();
        Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
        syncFolder(target.resolveSibling("."));
        return new WrittenFile(bytes, HexFormat.of().formatHex(digest.digest()));
    }

    /** Removes what was not committed. */
    @Override
    public void close() throws IOException {
        try {
            channel.close();
        } finally {
            Files.deleteIfExists(temporary);
        }
    }

    /** Makes a folder's entries, as new or removed names, durable. */
    static void syncFolder(Path folder) throws IOException {
        try (FileChannel entries = FileChannel.open(folder, StandardOpenOption.READ)) {
            entries.force(true);
        }
    }

    static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }
}
