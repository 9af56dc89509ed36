// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import java.util.List;

/**
 * What an index says besides where each example is. On disk, big-endian:
 *
 * <pre>
 *   magic (8 bytes), version (int)
 *   per example: offset in its file (long), bytes (int)
 *   settings (UTF), digest (UTF), chat rows, filtered rows (longs), skipped rows, files (int)
 *   per file: name (UTF), bytes (long), modified (long), examples (long)
 *   where the examples end (long), CRC-32C of everything before (long)
 * </pre>
 *
 * The examples of a file stand together, in the order of the files.
 *
 * @param settings what the examples depend on besides the files' contents
 * @param digest SHA-256 over the contents, in hexadecimal
 * @param chatRows rows that are conversations
 * @param filteredRows rows that a filter left out
 * @param skipped malformed rows that were left out
 * @param files each with its number of examples
 */
record IndexFile(
        String settings, String digest, long chatRows, long filteredRows, SkippedRows skipped, List<Entry> files) {
    static final long MAGIC = 0x43484F5249445831L; // "CHORIDX1"
    static final int VERSION = 4;
    static final int HEADER_BYTES = Long.BYTES + Integer.BYTES;
    static final int EXAMPLE_BYTES = Long.BYTES + Integer.BYTES;
    static final int FOOTER_BYTES = 2 * Long.BYTES;

    /** A file and how many examples it has. */
    record Entry(SourceFile file, long examples) {}

    IndexFile {
        files = List.copyOf(files);
    }

    long examples() {
        return files.stream().mapToLong(Entry::examples).sum();
    }

    /** Whether it was made of these files, as far as sizes and times tell, with these settings. */
    boolean isOf(List<SourceFile> now, String settingsNow) {
        return settings.equals(settingsNow)
                && files.stream().map(Entry::file).toList().equals(now);
    }
}
