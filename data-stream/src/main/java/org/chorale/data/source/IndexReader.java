// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32C;

/**
 * An index on disk. Its checksum is verified when it is opened; examples are looked up by positional reads of 12 bytes,
 * which the page cache answers, so that an index of any size takes no memory. Safe to use from many threads.
 */
final class IndexReader implements AutoCloseable {
    private static final int BUFFER_BYTES = 1 << 20;

    /** The index is not what was written; it has to be made anew. */
    static final class CorruptIndexException extends Exception {
        private static final long serialVersionUID = 1;

        CorruptIndexException(String message) {
            super(message);
        }
    }

    /**
     * Where an example is.
     *
     * @param file its place among the files
     * @param lastOfFile whether no example of the file follows
     */
    record Place(int file, long offset, int bytes, boolean lastOfFile) {}

    private final FileChannel channel;
    private final IndexFile contents;
    private final long[] firstOfFile; // first example of each file, and at the end the number of examples

    private IndexReader(FileChannel channel, IndexFile contents) {
        this.channel = channel;
        this.contents = contents;
        firstOfFile = new long[contents.files().size() + 1];
        for (int i = 0; i < contents.files().size(); i++) {
            firstOfFile[i + 1] = firstOfFile[i] + contents.files().get(i).examples();
        }
    }

    static IndexReader open(Path file) throws IOException, CorruptIndexException {
        FileChannel channel = FileChannel.open(file, StandardOpenOption.READ);
        try {
            IndexReader reader = new IndexReader(channel, read(channel));
            channel = null;
            return reader;
        } catch (EOFException e) {
            throw new CorruptIndexException("it ends too early");
        } finally {
            if (channel != null) {
                channel.close();
            }
        }
    }

    IndexFile contents() {
        return contents;
    }

    long examples() {
        return firstOfFile[firstOfFile.length - 1];
    }

    Place place(long example) throws IOException {
        if (example < 0 || example >= examples()) {
            throw new IllegalArgumentException("example %d is not in [0, %d)".formatted(example, examples()));
        }
        ByteBuffer entry =
                read(channel, IndexFile.HEADER_BYTES + example * IndexFile.EXAMPLE_BYTES, IndexFile.EXAMPLE_BYTES);
        int file = fileOf(example);
        return new Place(file, entry.getLong(), entry.getInt(), example + 1 == firstOfFile[file + 1]);
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }

    /** The last file whose first example is not beyond; files without examples share theirs with the next. */
    private int fileOf(long example) {
        int low = 0;
        int high = firstOfFile.length - 1; // firstOfFile[low] <= example < firstOfFile[high]
        while (high - low > 1) {
            int middle = (low + high) >>> 1;
            if (firstOfFile[middle] <= example) {
                low = middle;
            } else {
                high = middle;
            }
        }
        return low;
    }

    private static IndexFile read(FileChannel channel) throws IOException, CorruptIndexException {
        long size = channel.size();
        if (size < IndexFile.HEADER_BYTES + IndexFile.FOOTER_BYTES) {
            throw new CorruptIndexException("it has only " + size + " bytes");
        }
        ByteBuffer header = read(channel, 0, IndexFile.HEADER_BYTES);
        if (header.getLong() != IndexFile.MAGIC || header.getInt() != IndexFile.VERSION) {
            throw new CorruptIndexException("it is no index of this version");
        }
        ByteBuffer footer = read(channel, size - IndexFile.FOOTER_BYTES, IndexFile.FOOTER_BYTES);
        long summary = footer.getLong();
        if (footer.getLong() != checksum(channel, size - Long.BYTES)) {
            throw new CorruptIndexException("its checksum is wrong");
        }
        if (summary < IndexFile.HEADER_BYTES || summary > size - IndexFile.FOOTER_BYTES) {
            throw new CorruptIndexException("its examples end outside of it");
        }
        IndexFile contents = summary(channel, summary);
        if (IndexFile.HEADER_BYTES + contents.examples() * IndexFile.EXAMPLE_BYTES != summary) {
            throw new CorruptIndexException("its examples are not as many as its files say");
        }
        return contents;
    }

    private static IndexFile summary(FileChannel channel, long from) throws IOException {
        channel.position(from);
        // not closed: closing would close the channel
        DataInputStream in = new DataInputStream(new BufferedInputStream(Channels.newInputStream(channel)));
        String settings = in.readUTF();
        String digest = in.readUTF();
        long chatRows = in.readLong();
        long filteredRows = in.readLong();
        SkippedRows skipped = SkippedRows.read(in);
        int count = in.readInt();
        List<IndexFile.Entry> files = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            SourceFile file = new SourceFile(in.readUTF(), in.readLong(), in.readLong());
            files.add(new IndexFile.Entry(file, in.readLong()));
        }
        return new IndexFile(settings, digest, chatRows, filteredRows, skipped, files);
    }

    private static long checksum(FileChannel channel, long until) throws IOException {
        CRC32C checksum = new CRC32C();
        ByteBuffer buffer = ByteBuffer.allocate(BUFFER_BYTES);
        for (long at = 0; at < until; at += buffer.limit()) {
            buffer.clear().limit((int) Math.min(BUFFER_BYTES, until - at));
            readFully(channel, buffer, at);
            checksum.update(buffer.flip());
        }
        return checksum.getValue();
    }

    private static ByteBuffer read(FileChannel channel, long at, int bytes) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(bytes);
        readFully(channel, buffer, at);
        return buffer.flip();
    }

    /** Fills the buffer with the bytes at a position, which every thread may do at the same time. */
    static void readFully(FileChannel channel, ByteBuffer buffer, long at) throws IOException {
        long begin = at - buffer.position();
        while (buffer.hasRemaining()) {
            if (channel.read(buffer, begin + buffer.position()) < 0) {
                throw new EOFException("%d bytes at %d are not there".formatted(buffer.limit(), at));
            }
        }
    }
}
