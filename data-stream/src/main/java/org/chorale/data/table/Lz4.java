// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table;

import java.io.IOException;

/** Expands blocks of LZ4, as the block format's description has them. */
public final class Lz4 {
    private static final int MIN_MATCH = 4;
    private static final int LONG_LENGTH = 15;

    private final byte[] from;
    private final int fromEnd;
    private final byte[] to;
    private int in;
    private int out;

    private Lz4(byte[] from, int offset, int length, byte[] to, int toOffset) {
        this.from = from;
        this.in = offset;
        this.fromEnd = offset + length;
        this.to = to;
        this.out = toOffset;
    }

    /**
     * Expands one block behind what was expanded before, which it may repeat parts of.
     *
     * @return where in {@code to} it ends
     * @throws IOException where it is damaged, or does not fit
     */
    public static int block(byte[] from, int offset, int length, byte[] to, int toOffset) throws IOException {
        Lz4 block = new Lz4(from, offset, length, to, toOffset);
        try {
            block.expand();
        } catch (IndexOutOfBoundsException e) {
            throw new IOException("an LZ4 block is damaged", e);
        }
        return block.out;
    }

    private void expand() {
        while (in < fromEnd) {
            int token = from[in++] & 0xFF;
            int literals = length(token >>> 4);
            System.arraycopy(from, in, to, out, within(literals));
            in += literals;
            out += literals;
            if (in < fromEnd) {
                int distance = (from[in] & 0xFF) | (from[in + 1] & 0xFF) << 8;
                in += 2;
                repeat(distance, length(token & 0xF) + MIN_MATCH);
            }
        }
    }

    private int length(int nibble) {
        int length = nibble;
        if (nibble == LONG_LENGTH) {
            int more;
            do {
                more = from[in++] & 0xFF;
                length = Math.addExact(length, more);
            } while (more == 0xFF);
        }
        return length;
    }

    private int within(int literals) {
        if (literals > fromEnd - in) {
            throw new IndexOutOfBoundsException(literals);
        }
        return literals;
    }

    private void repeat(int distance, int length) {
        if (distance == 0 || distance > out) {
            throw new IndexOutOfBoundsException(distance);
        }
        int end = Math.addExact(out, length);
        while (out < end) { // what is copied may be what was copied just before
            int step = Math.min(distance, end - out);
            System.arraycopy(to, out - distance, to, out, step);
            out += step;
        }
    }
}
