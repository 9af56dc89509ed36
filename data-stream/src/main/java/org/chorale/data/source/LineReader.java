// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * Walks over the lines of a stream and knows the byte at which each begins. A line may end with LF or CRLF; a byte
 * order mark at the start is passed over. Memory is bounded by the longest line that is wanted.
 */
final class LineReader {
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

    LineReader(InputStream in, int maxLineBytes) throws IOException {
        this.in = in;
        this.maxLineBytes = maxLineBytes;
        fill();
        if (filled >= 3 && Arrays.equals(buffer, 0, 3, BYTE_ORDER_MARK, 0, 3)) {
            next = 3;
        }
    }

    /** Goes to the next line; false at the end of the stream. */
    boolean next() throws IOException {
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
                boolean more = filled > next || tooLong;
                take(filled, filled);
                return more;
            }
        }
    }

    /** The line without its end; only valid until the next one. Empty where it is too long. */
    ByteBuffer line() {
        return ByteBuffer.wrap(buffer, start, length).slice();
    }

    /** The byte of the stream at which the line begins. */
    long offset() {
        return bufferOffset + start;
    }

    /** The line's number, from 1. */
    long number() {
        return number;
    }

    /** Whether the line has more bytes than are wanted. */
    boolean tooLong() {
        return tooLong;
    }

    /** Whether there is nothing but blanks. */
    boolean blank() {
        for (int i = start; i < start + length; i++) {
            if (buffer[i] != ' ' && buffer[i] != '\t') {
                return false;
            }
        }
        return !tooLong;
    }

    private void take(int end, int following) {
        start = next;
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
        int read = in.readNBytes(buffer, filled, buffer.length - filled);
        filled += read;
        return read > 0;
    }
}
