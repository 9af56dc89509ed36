// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.StandardCharsets;
import java.util.OptionalLong;

/** Tells text from other files. */
final class Utf8Check {
    private static final int BUFFER_BYTES = 1 << 16;

    private Utf8Check() {}

    /** The line, from 1, of the first byte that is no UTF-8; empty where all are. Reads the stream to its end. */
    static OptionalLong firstBadLine(InputStream in) throws IOException {
        CharsetDecoder decoder = StandardCharsets.UTF_8.newDecoder();
        ByteBuffer bytes = ByteBuffer.allocate(BUFFER_BYTES);
        CharBuffer chars = CharBuffer.allocate(BUFFER_BYTES);
        long line = 1;
        boolean atEnd = false;
        while (!atEnd) {
            int read = in.readNBytes(bytes.array(), bytes.position(), bytes.remaining());
            atEnd = read < bytes.remaining();
            bytes.position(bytes.position() + read).flip();
            CoderResult result = decoder.decode(bytes, chars, atEnd);
            line += chars.flip().chars().filter(c -> c == '\n').count();
            if (result.isError()) {
                in.transferTo(OutputStream.nullOutputStream());
                return OptionalLong.of(line);
            }
            chars.clear();
            bytes.compact();
        }
        return OptionalLong.empty();
    }
}
