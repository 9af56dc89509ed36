// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import java.io.IOException;
import java.io.InputStream;
import java.util.zip.GZIPInputStream;

/** A gzip file to its last byte: Java's own reader takes what is no gzip behind a member for the end of the file. */
final class WholeGzip extends GZIPInputStream {
    private static final int BUFFER_BYTES = 1 << 16;
    private static final int TRAILER_BYTES = 8; // of a member, still with the inflater when it is done

    WholeGzip(InputStream in) throws IOException {
        super(in, BUFFER_BYTES);
    }

    @Override
    public int read(byte[] buffer, int offset, int length) throws IOException {
        int read = super.read(buffer, offset, length);
        if (read < 0 && (inf.getRemaining() > TRAILER_BYTES || in.read() >= 0)) {
            throw new IOException("something else follows its last member");
        }
        return read;
    }
}
