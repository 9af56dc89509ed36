// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.arrow;

import com.github.luben.zstd.Zstd;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import org.apache.arrow.flatbuf.BodyCompression;
import org.apache.arrow.flatbuf.Buffer;
import org.apache.arrow.flatbuf.CompressionType;
import org.apache.arrow.flatbuf.FieldNode;
import org.apache.arrow.flatbuf.RecordBatch;
import org.chorale.data.table.Lz4;

/** The parts of a batch in the order in which columns take them: a field's node, then its buffers, then its children's. */
final class BatchBuffers {
    /** No compressed buffer may take more than this share of the heap, because it is expanded as a whole. */
    private static final int HEAP_SHARE = 8;

    private static final int ANY_BYTES = 16 << 20;

    private final FileChannel file;
    private final long bodyAt;
    private final long bodyBytes;
    private final RecordBatch batch;
    private final boolean whole;
    private final long maxBytes = Math.max(ANY_BYTES, Runtime.getRuntime().maxMemory() / HEAP_SHARE);
    private int node;
    private int buffer;
    private int variadic;

    /**
     * A batch of a file.
     *
     * @param whole whether its bytes are wanted in any order, as a dictionary's are
     */
    BatchBuffers(FileChannel file, long bodyAt, long bodyBytes, RecordBatch batch, boolean whole) {
        this.file = file;
        this.bodyAt = bodyAt;
        this.bodyBytes = bodyBytes;
        this.batch = batch;
        this.whole = whole;
    }

    /** Nodes say how many values there are and how many of them are null. */
    FieldNode node() {
        return batch.nodes(node++);
    }

    /** Buffers of the next column of views that hold its longer values. */
    int variadicBuffers() {
        return Math.toIntExact(batch.variadicBufferCounts(variadic++));
    }

    Window buffer() {
        Buffer part = batch.buffers(buffer++);
        long bytes = part.length();
        if (part.offset() < 0 || bytes < 0 || part.offset() > bodyBytes - bytes) {
            throw new IllegalArgumentException("a buffer is outside of its batch");
        }
        BodyCompression compression = batch.compression();
        Window packed = Window.of(file, bodyAt + part.offset(), bytes);
        if (bytes == 0) {
            return packed;
        } else if (compression != null) {
            return expanded(packed, bytes, compression.codec());
        }
        return whole && bytes <= maxBytes ? copy(packed, 0, bytes) : packed;
    }

    /** Compressed buffers begin with how many bytes they expand to, or -1 where they stand as they are. */
    private Window expanded(Window packed, long bytes, byte codec) {
        long plain = packed.longAt(0);
        if (plain == -1) {
            return copy(packed, Long.BYTES, bytes);
        } else if (plain < 0 || plain > maxBytes || bytes > maxBytes) {
            throw new IllegalArgumentException(
                    "a compressed buffer of %d bytes; must be at most %d, an eighth of the heap"
                            .formatted(plain, maxBytes));
        }
        byte[] from = array(packed, Long.BYTES, bytes);
        byte[] to = new byte[(int) plain];
        try {
            int expanded = codec == CompressionType.LZ4_FRAME ? Lz4.frame(from, to) : zstd(from, to);
            if (expanded != plain) {
                throw new IOException("a buffer expands to %d bytes, not %d".formatted(expanded, plain));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return Window.of(to);
    }

    private static int zstd(byte[] from, byte[] to) throws IOException {
        long expanded = Zstd.decompress(to, from);
        if (Zstd.isError(expanded)) {
            throw new IOException("a buffer is not Zstandard: " + Zstd.getErrorName(expanded));
        }
        return (int) expanded;
    }

    private Window copy(Window of, long from, long until) {
        if (until - from > maxBytes) {
            throw new IllegalArgumentException("a buffer of %d bytes; must be at most %d, an eighth of the heap"
                    .formatted(until - from, maxBytes));
        }
        return Window.of(array(of, from, until));
    }

    private static byte[] array(Window of, long from, long until) {
        byte[] copy = new byte[Math.toIntExact(until - from)];
        of.slice(from, copy.length).get(copy);
        return copy;
    }
}
