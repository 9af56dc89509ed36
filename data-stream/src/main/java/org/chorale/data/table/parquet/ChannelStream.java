// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.parquet;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;

/** A range of a file as a stream, of which many read the same file side by side. It ends with the range. */
final class ChannelStream extends InputStream {
    private static final int BUFFER_BYTES = 1 << 16;

    private final FileChannel file;
    private final ByteBuffer buffer;
    private long next; // where in the file the buffer ends
    private final long end;

    ChannelStream(FileChannel file, long begin, long bytes) {
        this.file = file;
        this.next = begin;
        this.end = begin + bytes;
        this.buffer = ByteBuffer.allocate((int) Math.min(BUFFER_BYTES, Math.max(1, bytes)))
                .flip();
    }

    @Override
    public int read() throws IOException {
        return buffer.hasRemaining() || fill() ? buffer.get() & 0xFF : -1;
    }

    @Override
    public int read(byte[] bytes, int offset, int length) throws IOException {
        if (length == 0) {
            return 0;
        } else if (!buffer.hasRemaining() && !fill()) {
            return -1;
        }
        int taken = Math.min(length, buffer.remaining());
        buffer.get(bytes, offset, taken);
        return taken;
    }

    private boolean fill() throws IOException {
        if (next >= end) {
            return false;
        }
        buffer.clear().limit((int) Math.min(buffer.capacity(), end - next));
        int read = file.read(buffer, next);
        buffer.flip();
        if (read < 0) {
            throw new EOFException("the file ends before the bytes at %d".formatted(next));
        }
        next += read;
        return true;
    }
}
