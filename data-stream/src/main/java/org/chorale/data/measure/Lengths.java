// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.measure;

import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.zip.CRC32C;
import org.chorale.data.example.TokenizedExample;
import org.chorale.data.source.SkippedRows;

/**
 * A lengths file, open. Both files' checksums are verified when it is opened. The lengths are mapped, not held: the page
 * cache answers, so that any number of examples takes no heap. Safe to use from many threads.
 */
final class Lengths implements AutoCloseable {
    private static final int BUFFER_BYTES = 1 << 20;
    private static final int EXAMPLES_PER_MAP = 1 << 25; // times 20 bytes: less than the 2 GiB that one map can have
    private static final int TOKENS_AT = 2 * Long.BYTES;

    /** The files are not what was written; they have to be made anew. */
    static final class CorruptException extends Exception {
        private static final long serialVersionUID = 1;

        CorruptException(String message) {
            super(message);
        }
    }

    private final LengthsFile contents;
    private final MappedByteBuffer[] maps;
    private final FileChannel stored;

    private Lengths(LengthsFile contents, MappedByteBuffer[] maps, FileChannel stored) {
        this.contents = contents;
        this.maps = maps;
        this.stored = stored;
    }

    static Lengths open(Path file) throws IOException, CorruptException {
        FileChannel stored = FileChannel.open(LengthsWriter.storedPath(file), StandardOpenOption.READ);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            LengthsFile contents = read(channel);
            if (stored.size() != contents.storedBytes()
                    || checksum(stored, stored.size()) != contents.storedChecksum()) {
                throw new CorruptException("the pieces beside it are not its own");
            }
            Lengths lengths = new Lengths(contents, map(channel, contents.examples()), stored);
            stored = null;
            return lengths;
        } catch (EOFException e) {
            throw new CorruptException("it ends too early");
        } finally {
            if (stored != null) {
                stored.close();
            }
        }
    }

    LengthsFile contents() {
        return contents;
    }

    long examples() {
        return contents.examples();
    }

    int tokens(long example) {
        return map(example).getInt(at(example) + TOKENS_AT);
    }

    /** The row that an example comes from. */
    long row(long example) {
        return map(example).getLong(at(example));
    }

    boolean isStored(long example) {
        return place(example) != LengthsFile.NOT_STORED;
    }

    /** A piece of a split row. */
    TokenizedExample stored(long example) throws IOException {
        return StoredTokens.read(stored, place(example), tokens(example));
    }

    @Override
    public void close() throws IOException {
        stored.close();
    }

    private long place(long example) {
        return map(example).getLong(at(example) + Long.BYTES);
    }

    private MappedByteBuffer map(long example) {
        if (example < 0 || example >= examples()) {
            throw new IllegalArgumentException("example %d is not in [0, %d)".formatted(example, examples()));
        }
        return maps[(int) (example / EXAMPLES_PER_MAP)];
    }

    private static int at(long example) {
        return (int) (example % EXAMPLES_PER_MAP) * LengthsFile.EXAMPLE_BYTES;
    }

    private static MappedByteBuffer[] map(FileChannel channel, long examples) throws IOException {
        int count = (int) ((examples + EXAMPLES_PER_MAP - 1) / EXAMPLES_PER_MAP);
        MappedByteBuffer[] maps = new MappedByteBuffer[count];
        for (int i = 0; i < count; i++) {
            long first = (long) i * EXAMPLES_PER_MAP;
            maps[i] = channel.map(
                    FileChannel.MapMode.READ_ONLY,
                    LengthsFile.HEADER_BYTES + first * LengthsFile.EXAMPLE_BYTES,
                    Math.min(EXAMPLES_PER_MAP, examples - first) * LengthsFile.EXAMPLE_BYTES);
        }
        return maps;
    }

    private static LengthsFile read(FileChannel channel) throws IOException, CorruptException {
        long size = channel.size();
        if (size < LengthsFile.HEADER_BYTES + LengthsFile.FOOTER_BYTES) {
            throw new CorruptException("it has only " + size + " bytes");
        }
        DataInputStream header = at(channel, 0);
        if (header.readLong() != LengthsFile.MAGIC || header.readInt() != LengthsFile.VERSION) {
            throw new CorruptException("it is no lengths file of this version");
        }
        DataInputStream footer = at(channel, size - LengthsFile.FOOTER_BYTES);
        long summary = footer.readLong();
        if (footer.readLong() != checksum(channel, size - Long.BYTES)) {
            throw new CorruptException("its checksum is wrong");
        }
        LengthsFile contents = summary(at(channel, summary));
        if (LengthsFile.HEADER_BYTES + contents.examples() * LengthsFile.EXAMPLE_BYTES != summary) {
            throw new CorruptException("its examples are not as many as it says");
        }
        return contents;
    }

    private static LengthsFile summary(DataInputStream in) throws IOException {
        return new LengthsFile(
                in.readUTF(),
                in.readLong(),
                in.readLong(),
                in.readLong(),
                new Totals(
                        in.readLong(),
                        in.readLong(),
                        in.readLong(),
                        in.readLong(),
                        in.readLong(),
                        in.readLong(),
                        in.readLong(),
                        in.readLong(),
                        in.readInt()),
                SkippedRows.read(in));
    }

    /** Not to be closed: closing would close the channel. */
    private static DataInputStream at(FileChannel channel, long position) throws IOException {
        channel.position(position);
        return new DataInputStream(Channels.newInputStream(channel));
    }

    private static long checksum(FileChannel channel, long until) throws IOException {
        CRC32C checksum = new CRC32C();
        ByteBuffer buffer = ByteBuffer.allocate(BUFFER_BYTES);
        for (long at = 0; at < until; at += buffer.limit()) {
            buffer.clear().limit((int) Math.min(BUFFER_BYTES, until - at));
            while (buffer.hasRemaining()) {
                if (channel.read(buffer, at + buffer.position()) < 0) {
                    throw new EOFException();
                }
            }
            checksum.update(buffer.flip());
        }
        return checksum.getValue();
    }
}
