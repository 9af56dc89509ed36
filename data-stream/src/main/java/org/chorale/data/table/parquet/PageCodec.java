// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.parquet;

import com.github.luben.zstd.Zstd;
import io.airlift.compress.MalformedInputException;
import io.airlift.compress.snappy.SnappyDecompressor;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.zip.GZIPInputStream;
import org.apache.parquet.format.CompressionCodec;
import org.chorale.data.table.Lz4;

/** Expands pages. Of the codecs of Parquet only Brotli and LZO are missing, which hardly anybody writes. */
final class PageCodec {
    private static final int FRAME_BYTES = 2 * Integer.BYTES;

    private PageCodec() {}

    /** The page, which must have exactly so many bytes. */
    static byte[] expand(CompressionCodec codec, byte[] packed, int bytes) throws IOException {
        byte[] plain = new byte[bytes];
        int expanded = switch (codec) {
            case UNCOMPRESSED -> {
                plain = packed;
                yield packed.length;
            }
            case SNAPPY -> snappy(packed, plain);
            case GZIP -> gzip(packed, plain);
            case ZSTD -> zstd(packed, plain);
            case LZ4_RAW -> Lz4.block(packed, 0, packed.length, plain, 0);
            case LZ4 -> lz4(packed, plain);
            default -> throw new UnsupportedException("compression with " + codec);
        };
        if (expanded != bytes) {
            throw new IOException("a page expands to %d bytes, not %d".formatted(expanded, bytes));
        }
        return plain;
    }

    private static int snappy(byte[] packed, byte[] plain) throws IOException {
        if (packed.length == 0) {
            return 0;
        }
        try {
            return new SnappyDecompressor().decompress(packed, 0, packed.length, plain, 0, plain.length);
        } catch (MalformedInputException e) {
            throw new IOException("a page is not Snappy: " + e.getMessage(), e);
        }
    }

    private static int gzip(byte[] packed, byte[] plain) throws IOException {
        try (GZIPInputStream in = new GZIPInputStream(new ByteArrayInputStream(packed))) {
            int read = in.readNBytes(plain, 0, plain.length);
            return in.read() < 0 ? read : Integer.MAX_VALUE;
        }
    }

    private static int zstd(byte[] packed, byte[] plain) throws IOException {
        long expanded = Zstd.decompress(plain, packed);
        if (Zstd.isError(expanded)) {
            throw new IOException("a page is not Zstandard: " + Zstd.getErrorName(expanded));
        }
        return (int) expanded;
    }

    /** Hadoop's framing: sizes, big-endian, before each block; some writers left it out. */
    private static int lz4(byte[] packed, byte[] plain) throws IOException {
        ByteBuffer frames = ByteBuffer.wrap(packed);
        int out = 0;
        while (frames.remaining() > FRAME_BYTES) {
            int bytes = frames.getInt();
            int block = frames.getInt();
            if (bytes < 0 || bytes > plain.length - out || block < 0 || block > frames.remaining()) {
                return Lz4.block(packed, 0, packed.length, plain, 0);
            }
            out = Lz4.block(packed, frames.position(), block, plain, out);
            frames.position(frames.position() + block);
        }
        return out;
    }
}
