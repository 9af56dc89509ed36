// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * Walks over the lines of a stream and knows the byte at which each begins. A line may end with LF or CRLF; a byte
 * order mark at the start is passed over. Memory is bounded by the longest line that is wanted.
 */
public final class LineReader {
    private static final int BUFFER_BYTES = 1 << 18;
    private static final byte[] BYTE_ORDER_MARK = {(byte) 0xEF, (byte) 0xBB, (byte) 0xBF};

    private final InputStream in;
    private final int maxLineBytes;
    private byte[] buffer = new byte[BUFFER_BYTES];
    private long bufferOffset; // where in the stream the buffer begins
    private int next; // where in the buffer the next line begins
    private int filled;

    private int start;
    private int length;
    private long number;
    private boolean tooLong;

    public LineReader(InputStream in, int maxLineBytes) {
        this.in = in;
        this.maxLineBytes = maxLineBytes;
    }

    /** Goes to the next line; false at the end of the stream. */
    public boolean next() throws IOException {
        tooLong = false;
        int searched = 0;
        while (true) {
            int end = indexOfLineFeed(next + searched);
            if (end >= 0) {
                take(end, end + 1);
                return true;
            }
            searched = filled - next;
            if (searched > maxLineBytes + 1) { // one more for a CR
                tooLong = true;
                next = filled;
                searched = 0;
            }
            if (!fill()) {
                take(filled, filled);
                return start < filled || tooLong;
            }
        }
    }

    /** The line without its end; only valid until the next one. Empty where it is too long. */
    public ByteBuffer line() {
        return ByteBuffer.wrap(buffer, start, length).slice();
    }

    /** The byte of the stream at which the line begins. */
    long offset() {
        return bufferOffset + start;
    }

    /** The line's number, from 1. */
    public long number() {
        return number;
    }

    /** Whether the line has more bytes than are wanted. */
    public boolean tooLong() {
        return tooLong;
    }

    /** Whether there is nothing but blanks. */
    public boolean blank() {
        for (int i = start; i < start + length; i++) {
            if (buffer[i] != ' ' && buffer[i] != '\t') {
                return false;
            }
        }
        return !tooLong;
    }

    /** How many lines end before a byte of a stream. */
    static long lineFeeds(InputStream in, long before) throws IOException {
        byte[] bytes = new byte[BUFFER_BYTES];
        long lines = 0;
        long left = before;
        while (left > 0) {
            int read = in.read(bytes, 0, (int) Math.min(bytes.length, left));
            if (read < 0) {
                throw new EOFException("it has become shorter");
            }
            for (int i = 0; i < read; i++) {
                lines += bytes[i] == '\n' ? 1 : 0;
            }
            left -= read;
        }
        return lines;
    }

    private void take(int end, int following) {
        start = next;
        if (bufferOffset + start == 0 && end >= 3 && Arrays.equals(buffer, 0, 3, BYTE_ORDER_MARK, 0, 3)) {
            start = 3;
        }
        length = end > start && buffer[end - 1] == '\r' ? end - start - 1 : end - start;
        tooLong |= length > maxLineBytes;
        length = tooLong ? 0 : length;
        next = following;
        number++;
    }

    private int indexOfLineFeed(int from) {
        for (int i = from; i < filled; i++) {
            if (buffer[i] == '\n') {
                return i;
            }
        }
        return -1;
    }

    private boolean fill() throws IOException {
        if (next > 0) {
            System.arraycopy(buffer, next, buffer, 0, filled - next);
            bufferOffset += next;
            filled -= next;
            next = 0;
        } else if (filled == buffer.length) {
            buffer = Arrays.copyOf(buffer, buffer.length * 2);
        }
        int read =
                in.read(buffer, filled, buffer.length - filled); // what is there: whoever writes may wait for an answer
        filled += Math.max(0, read);
        return read > 0;
    }
}
