// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.doctor;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/**
 * The dynamic loader's cache, /etc/ld.so.cache, which {@code ldconfig -p} prints: in glibc's format of 1.1, with or
 * without the older one before it.
 *
 * <pre>
 * header   48 bytes: magic, u32 number of entries, u32 bytes of strings, ...
 * entry    24 bytes: i32 kind, u32 offset of the name, u32 offset of the path, u32, u64
 * strings  each ended by a zero; offsets count from the header's beginning
 * </pre>
 */
final class LoaderCache {
    private static final byte[] MAGIC = "glibc-ld.so.cache1.1".getBytes(StandardCharsets.US_ASCII);
    private static final int HEADER_BYTES = 48;
    private static final int ENTRY_BYTES = 24;
    private static final int MOST_BYTES = 1 << 24;
    private static final int LONGEST_STRING = 4096;

    private LoaderCache() {}

    /** Paths by the names of libraries; empty where the file is missing or written otherwise. */
    static Map<String, String> read(Path file) {
        byte[] bytes;
        try (InputStream in = Files.newInputStream(file)) {
            bytes = in.readNBytes(MOST_BYTES);
        } catch (IOException e) {
            return Map.of();
        }
        int start = start(bytes);
        return start < 0 ? Map.of() : entries(bytes, start);
    }

    private static Map<String, String> entries(byte[] bytes, int start) {
        ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        long count = Integer.toUnsignedLong(buffer.getInt(start + MAGIC.length));
        Map<String, String> paths = new HashMap<>();
        for (long i = 0; i < count; i++) {
            long entry = start + HEADER_BYTES + i * ENTRY_BYTES;
            if (entry + ENTRY_BYTES > bytes.length) {
                return paths; // cut off
            }
            String name = string(bytes, start + Integer.toUnsignedLong(buffer.getInt((int) entry + 4)));
            String path = string(bytes, start + Integer.toUnsignedLong(buffer.getInt((int) entry + 8)));
            paths.putIfAbsent(name, path); // the loader takes the first too
        }
        return paths;
    }

    private static String string(byte[] bytes, long from) {
        int length = 0;
        while (length < LONGEST_STRING && from + length < bytes.length && bytes[(int) from + length] != 0) {
            length++;
        }
        return from < bytes.length ? new String(bytes, (int) from, length, StandardCharsets.UTF_8) : "";
    }

    /** Where the header begins; negative where there is none. */
    private static int start(byte[] bytes) {
        for (int at = 0; at + HEADER_BYTES <= bytes.length; at += 4) {
            if (ByteBuffer.wrap(bytes, at, MAGIC.length).equals(ByteBuffer.wrap(MAGIC))) {
                return at;
            }
        }
        return -1;
    }
}
