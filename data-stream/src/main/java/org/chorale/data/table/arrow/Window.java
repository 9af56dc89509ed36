// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.arrow;

import java.io.EOFException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import org.jspecify.annotations.Nullable;

/**
 * The bytes of one buffer of a batch, of which those in use are in memory: rows are read in order, and so are the
 * buffers. Numbers are little-endian.
 */
final class Window {
    private static final int WINDOW_BYTES = 1 << 16;

    private final @Nullable FileChannel file; // null where all is in memory
    private final long begin;
    private final long bytes;
    private ByteBuffer window;
    private long windowAt; // where in the buffer the window begins

    private Window(@Nullable FileChannel file, long begin, long bytes, ByteBuffer window) {
        this.file = file;
        this.begin = begin;
        this.bytes = bytes;
        this.window = window.order(ByteOrder.LITTLE_ENDIAN);
    }

    static Window of(byte[] bytes) {
        return new Window(null, 0, bytes.length, ByteBuffer.wrap(bytes));
    }

    static Window of(FileChannel file, long begin, long bytes) {
        int capacity = (int) Math.min(WINDOW_BYTES, bytes);
        return new Window(file, begin, bytes, ByteBuffer.allocate(capacity).limit(0));
    }

    boolean isEmpty() {
        return bytes == 0;
    }

    boolean bit(long index) {
        return (byteAt(index >>> 3) >>> (index & 7) & 1) != 0;
    }

    byte byteAt(long at) {
        return window.get(show(at, Byte.BYTES));
    }

    short shortAt(long at) {
        return window.getShort(show(at, Short.BYTES));
    }

    int intAt(long at) {
        return window.getInt(show(at, Integer.BYTES));
    }

    long longAt(long at) {
        return window.getLong(show(at, Long.BYTES));
    }

    /** Some of the bytes, valid until more are read. What is longer than a window is read apart. */
    ByteBuffer slice(long at, int length) {
        if (file != null && length > window.capacity()) {
            check(at, length);
            return read(file, ByteBuffer.allocate(length), begin + at);
        }
        return window.slice(show(at, length), length);
    }

    /** Has bytes in the window, and says where in it they begin. */
    private int show(long at, int length) {
        check(at, length);
        if (file != null && (at < windowAt || at + length > windowAt + window.limit())) {
            window.clear().limit((int) Math.min(window.capacity(), bytes - at));
            read(file, window, begin + at);
            windowAt = at;
        }
        return (int) (at - windowAt);
    }

    private void check(long at, int length) {
        if (at < 0 || length < 0 || at > bytes - length) {
            throw new IndexOutOfBoundsException("%d bytes at %d of a buffer of %d".formatted(length, at, bytes));
        }
    }

    private static ByteBuffer read(FileChannel file, ByteBuffer into, long from) {
        try {
            while (into.hasRemaining()) {
                if (file.read(into, from + into.position()) < 0) {
                    throw new EOFException("the file ends before the bytes at %d".formatted(from + into.position()));
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return into.flip();
    }
}
