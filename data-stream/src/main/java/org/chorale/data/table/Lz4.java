// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table;

import java.io.IOException;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Objects;

/** Expands blocks and frames of LZ4, as the descriptions of the two formats have them. */
public final class Lz4 {
    private static final int MIN_MATCH = 4;
    private static final int LONG_LENGTH = 15;
    private static final int FRAME_MAGIC = 0x184D2204;
    private static final int FRAME_VERSION = 1;

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

    /**
     * Expands one frame. Its checksums are passed over: who writes tables leaves them out.
     *
     * @return how many bytes it expands to
     * @throws IOException where it is damaged, or does not fit
     */
    public static int frame(byte[] from, byte[] to) throws IOException {
        ByteBuffer frame = ByteBuffer.wrap(from).order(ByteOrder.LITTLE_ENDIAN);
        try {
            if (frame.getInt() != FRAME_MAGIC) {
                throw new IOException("it is no LZ4 frame");
            }
            int flags = frame.get();
            if ((flags >>> 6 & 3) != FRAME_VERSION || (flags & 1) != 0) {
                throw new IOException("it is an LZ4 frame of another version, or with a dictionary");
            }
            boolean blockChecksums = (flags & 0x10) != 0;
            boolean contentBytes = (flags & 0x08) != 0;
            frame.position(frame.position() + 1 + (contentBytes ? Long.BYTES : 0) + 1);
            int out = 0;
            for (int block = frame.getInt(); block != 0; block = frame.getInt()) {
                out = frameBlock(frame, block, from, to, out);
                frame.position(frame.position() + (blockChecksums ? Integer.BYTES : 0));
            }
            return out;
        } catch (BufferUnderflowException | IllegalArgumentException | IndexOutOfBoundsException e) {
            throw new IOException("an LZ4 frame is damaged", e);
        }
    }

    private static int frameBlock(ByteBuffer frame, int block, byte[] from, byte[] to, int out) throws IOException {
        int bytes = block & Integer.MAX_VALUE;
        int end = out + bytes;
        if (block > 0) {
            Objects.checkFromIndexSize(frame.position(), bytes, frame.limit());
            end = block(from, frame.position(), bytes, to, out);
            frame.position(frame.position() + bytes);
        } else { // it did not shrink, and stands as it is
            frame.get(to, out, bytes);
        }
        return end;
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
