// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.kernel;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * A folder of compiled kernels, which any number of processes share.
 *
 * <p>It only ever saves time: a file that is damaged, or that something else has written, counts as missing, and a
 * folder that cannot be written stays empty. A file holds a mark, the SHA-256 of the machine code, and the code.
 */
final class KernelCache {
    /** Names the folder. */
    static final String PROPERTY = "chorale.kernel-cache";

    private static final byte[] MARK = "chorale-cubin-1\n".getBytes(StandardCharsets.US_ASCII);
    private static final int DIGEST_BYTES = 32;
    private static final int MAX_FILE_BYTES = 64 << 20;

    private final @Nullable Path folder; // null where this process has no place for one

    KernelCache(@Nullable Path folder) {
        this.folder = folder;
    }

    /** The folder that the system property names; otherwise that of the user's caches. */
    static KernelCache of(Properties properties, Map<String, String> environment) {
        String named = properties.getProperty(PROPERTY, "");
        if (!named.isEmpty()) {
            return new KernelCache(Path.of(named));
        }
        String caches = environment.getOrDefault("XDG_CACHE_HOME", "");
        if (!caches.isEmpty()) {
            return new KernelCache(Path.of(caches, "chorale", "kernels"));
        }
        String home = properties.getProperty("user.home", "");
        return new KernelCache(home.isEmpty() ? null : Path.of(home, ".cache", "chorale", "kernels"));
    }

    /** The machine code of this key, where it is there and whole. */
    Optional<byte[]> read(String key) {
        if (folder == null) {
            return Optional.empty();
        }
        Path file = file(folder, key);
        try {
            if (!Files.isRegularFile(file) || Files.size(file) > MAX_FILE_BYTES) {
                return Optional.empty();
            }
            return unwrap(Files.readAllBytes(file));
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    /** Puts machine code under its key, whole or not at all. */
    void write(String key, byte[] code) {
        if (folder == null) {
            return;
        }
        Path temporary = folder.resolve("." + key + "." + UUID.randomUUID() + ".tmp");
        try {
            Files.createDirectories(folder);
            try {
                Files.write(temporary, wrap(code), StandardOpenOption.CREATE_NEW);
                Files.move(temporary, file(folder, key), StandardCopyOption.ATOMIC_MOVE);
            } finally {
                Files.deleteIfExists(temporary);
            }
        } catch (IOException e) {
            // the next process compiles it again
        }
    }

    private static Path file(Path folder, String key) {
        return folder.resolve(key + ".cubin");
    }

    private static byte[] wrap(byte[] code) {
        return ByteBuffer.allocate(MARK.length + DIGEST_BYTES + code.length)
                .put(MARK)
                .put(KernelSource.sha256().digest(code))
                .put(code)
                .array();
    }

    private static Optional<byte[]> unwrap(byte[] file) {
        int start = MARK.length + DIGEST_BYTES;
        if (file.length <= start || !Arrays.equals(file, 0, MARK.length, MARK, 0, MARK.length)) {
            return Optional.empty();
        }
        byte[] code = Arrays.copyOfRange(file, start, file.length);
        byte[] digest = KernelSource.sha256().digest(code);
        return Arrays.equals(file, MARK.length, start, digest, 0, DIGEST_BYTES) ? Optional.of(code) : Optional.empty();
    }
}
