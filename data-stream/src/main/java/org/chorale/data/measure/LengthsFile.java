// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.measure;

import org.chorale.data.source.SkippedRows;

/**
 * What a lengths file says at its end. Layout, big endian:
 *
 * <pre>
 *   magic (long), version (int)
 *   per example: row (long), place (long), tokens (int)
 *   settings (UTF), examples, tokens' bytes and CRC-32C, the totals (longs), skipped rows
 *   where the examples end (long), CRC-32C of everything before (long)
 * </pre>
 *
 * The place of an example is a byte of the file with the pieces of split rows, or -1 where its row is tokenized again.
 *
 * @param settings everything that lengths depend on; with others the file is made anew
 * @param examples how many there are
 * @param storedBytes of the file with the pieces of split rows; 0 where there is none
 * @param storedChecksum of that file
 * @param skipped rows of which no example could be made
 */
record LengthsFile(
        String settings, long examples, long storedBytes, long storedChecksum, Totals totals, SkippedRows skipped) {
    static final long MAGIC = 0x43484F524C454E31L; // "CHORLEN1"
    static final int VERSION = 3;
    static final int HEADER_BYTES = Long.BYTES + Integer.BYTES;
    static final int EXAMPLE_BYTES = 2 * Long.BYTES + Integer.BYTES;
    static final int FOOTER_BYTES = 2 * Long.BYTES;

    /** Place of an example that is not stored. */
    static final long NOT_STORED = -1;
}
