// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.reference;

import java.io.DataOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.SortedMap;
import java.util.zip.CRC32C;
import java.util.zip.CheckedOutputStream;

/**
 * Writes what {@link LogProbabilities} reads. Layout, big endian:
 *
 * <pre>
 *   magic (long)
 *   origins (int), and for each its name and its value, both bytes (int) and UTF-8
 *   sequences (int), and for each, in ascending order, its key (two longs) and log-probability in nats (double)
 *   CRC-32C of everything before (long)
 * </pre>
 */
public final class LogProbabilitiesWriter {
    private LogProbabilitiesWriter() {}

    /**
     * Writes all of it; the caller commits the file.
     *
     * @throws IllegalArgumentException where there is more than a reader takes
     */
    public static void write(OutputStream target, Map<String, String> origin, SortedMap<SequenceKey, Double> values)
            throws IOException {
        if (values.size() > LogProbabilities.MAX_SEQUENCES || origin.size() > LogProbabilities.MAX_ORIGINS) {
            throw new IllegalArgumentException("%,d sequences and %,d origins: a file takes %,d and %,d"
                    .formatted(
                            values.size(),
                            origin.size(),
                            LogProbabilities.MAX_SEQUENCES,
                            LogProbabilities.MAX_ORIGINS));
        }
        CRC32C checksum = new CRC32C();
        DataOutputStream out = new DataOutputStream(new CheckedOutputStream(target, checksum));
        out.writeLong(LogProbabilities.MAGIC);
        out.writeInt(origin.size());
        for (Map.Entry<String, String> line : origin.entrySet()) {
            writeText(out, line.getKey());
            writeText(out, line.getValue());
        }
        out.writeInt(values.size());
        for (Map.Entry<SequenceKey, Double> entry : values.entrySet()) {
            out.writeLong(entry.getKey().high());
            out.writeLong(entry.getKey().low());
            out.writeDouble(entry.getValue());
        }
        out.writeLong(checksum.getValue());
        out.flush();
    }

    private static void writeText(DataOutputStream out, String text) throws IOException {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        if (bytes.length > LogProbabilities.MAX_ORIGIN_BYTES) {
            throw new IllegalArgumentException("an origin of %,d bytes".formatted(bytes.length));
        }
        out.writeInt(bytes.length);
        out.write(bytes);
    }
}
