// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.safetensors;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.security.MessageDigest;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/**
 * What a safetensors file says of itself, checked against every rule of the format. Needs no native code.
 *
 * <p>A file is the length N of its header (8 bytes, little-endian), the header (N bytes of JSON) and the tensors'
 * bytes.
 */
public final class SafetensorsHeader {
    /** The format's own limit. */
    static final int MAX_HEADER_BYTES = 100_000_000;

    static final int LENGTH_BYTES = Long.BYTES;

    private final Path file;
    private final BasicFileAttributes attributes;
    private final long dataBegin;
    private final Map<String, TensorEntry> entries;
    private final Map<String, String> metadata;

    private SafetensorsHeader(
            Path file,
            BasicFileAttributes attributes,
            long dataBegin,
            List<TensorEntry> entries,
            Map<String, String> metadata) {
        this.file = file;
        this.attributes = attributes;
        this.dataBegin = dataBegin;
        Map<String, TensorEntry> byName = new LinkedHashMap<>();
        entries.forEach(entry -> byName.put(entry.name(), entry));
        this.entries = Collections.unmodifiableMap(byName);
        this.metadata = Collections.unmodifiableMap(metadata);
    }

    /**
     * Reads and checks the header of a file.
     *
     * @throws InvalidFileException where a rule of the format is broken, or the file is of another format
     * @throws MissingFileException where there is no such file, or it may not be read
     */
    public static SafetensorsHeader read(Path file) {
        ForeignFormat.refuseName(file);
        try {
            BasicFileAttributes attributes = Files.readAttributes(file, BasicFileAttributes.class);
            if (!attributes.isRegularFile()) {
                throw new InvalidFileException(file, "is a folder or a device; a safetensors file is needed");
            }
            byte[] json = readJson(file, attributes.size());
            HeaderParser parser = new HeaderParser(file, json);
            long dataBegin = LENGTH_BYTES + (long) json.length;
            List<TensorEntry> entries = parser.parse(attributes.size() - dataBegin);
            return new SafetensorsHeader(file, attributes, dataBegin, entries, parser.metadata());
        } catch (IOException e) {
            throw MissingFileException.orUnchecked(file, e);
        }
    }

    /** The file that was read. */
    public Path file() {
        return file;
    }

    /** The tensors, in the order of their bytes. */
    public List<TensorEntry> entries() {
        return List.copyOf(entries.values());
    }

    /** The tensor of this name, if there is one. */
    public Optional<TensorEntry> find(String name) {
        return Optional.ofNullable(entries.get(name));
    }

    /** The free text that the writer left, usually {@code format=pt}. */
    public Map<String, String> metadata() {
        return metadata;
    }

    /** Length of the whole file. */
    public long fileBytes() {
        return attributes.size();
    }

    /** Where in the file the offsets of the entries are counted from. */
    long dataBegin() {
        return dataBegin;
    }

    /** Adds the file's name, its length, the tensors and the first bytes of each to a digest. */
    void sample(int bytesOfEach, MessageDigest digest) {
        digest.update("%s %d %s\n"
                .formatted(file.getFileName(), fileBytes(), entries.values())
                .getBytes(StandardCharsets.UTF_8));
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            for (TensorEntry entry : entries.values()) {
                int bytes = (int) Math.min(bytesOfEach, entry.bytes());
                digest.update(readFully(file, channel, dataBegin + entry.begin(), bytes));
            }
        } catch (IOException e) {
            throw MissingFileException.orUnchecked(file, e);
        }
    }

    Map<String, TensorEntry> byName() {
        return entries;
    }

    /** @throws InvalidFileException where the file at this path is no longer the one that was read */
    void checkUnchanged() {
        try {
            BasicFileAttributes now = Files.readAttributes(file, BasicFileAttributes.class);
            if (now.size() != attributes.size()
                    || !now.lastModifiedTime().equals(attributes.lastModifiedTime())
                    || !Objects.equals(now.fileKey(), attributes.fileKey())) {
                throw new InvalidFileException(file, "has changed since its header was read; open it again");
            }
        } catch (IOException e) {
            throw MissingFileException.orUnchecked(file, e);
        }
    }

    /** The N bytes of JSON. Nothing is allocated for a length that the file does not have. */
    private static byte[] readJson(Path file, long fileBytes) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            byte[] head = readFully(file, channel, 0, (int) Math.min(fileBytes, ForeignFormat.HEAD_BYTES));
            if (head.length <= LENGTH_BYTES || head[LENGTH_BYTES] != '{') {
                ForeignFormat.refuseContent(file, head);
            }
            return readFully(file, channel, LENGTH_BYTES, headerBytes(file, head, fileBytes));
        }
    }

    private static int headerBytes(Path file, byte[] head, long fileBytes) {
        if (fileBytes < LENGTH_BYTES) {
            throw new InvalidFileException(
                    file, "has %d bytes; it must begin with the 8 bytes of its header's length".formatted(fileBytes));
        }
        long claimed = ByteBuffer.wrap(head).order(ByteOrder.LITTLE_ENDIAN).getLong();
        if (Long.compareUnsigned(claimed, MAX_HEADER_BYTES) > 0) {
            throw new InvalidFileException(
                    file,
                    "claims a header of %s bytes; at most %d are allowed"
                            .formatted(Long.toUnsignedString(claimed), MAX_HEADER_BYTES));
        }
        if (claimed > fileBytes - LENGTH_BYTES) {
            throw new InvalidFileException(
                    file,
                    "claims a header of %d bytes, but only %d follow; the file is truncated"
                            .formatted(claimed, fileBytes - LENGTH_BYTES));
        }
        return (int) claimed;
    }

    private static byte[] readFully(Path file, FileChannel channel, long position, int bytes) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(bytes);
        while (buffer.hasRemaining()) {
            if (channel.read(buffer, position + buffer.position()) < 0) {
                throw new InvalidFileException(file, "became shorter while it was read");
            }
        }
        return buffer.array();
    }
}
