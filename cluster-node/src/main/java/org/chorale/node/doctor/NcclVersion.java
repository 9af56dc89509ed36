// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.doctor;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The version that an NCCL library says it has, read from its file without loading it.
 *
 * @param major of 2.28.9, 2; and so on
 */
record NcclVersion(int major, int minor, int patch) {
    /** The oldest whose groups can be given up without harm. */
    static final NcclVersion NEEDED = new NcclVersion(2, 28, 9);

    private static final Comparator<NcclVersion> AGE = Comparator.comparingInt(NcclVersion::major)
            .thenComparingInt(NcclVersion::minor)
            .thenComparingInt(NcclVersion::patch);

    /** What every build writes to its log when asked. */
    private static final Pattern BANNER = Pattern.compile("NCCL version (\\d{1,3})\\.(\\d{1,3})\\.(\\d{1,3})");

    private static final int CHUNK_BYTES = 1 << 20;

    /** Of one chunk, again in front of the next, so that a banner at the edge is found. */
    private static final int OVERLAP_BYTES = 64;

    /** Larger than any build; what stands behind is not looked at. */
    private static final int MAX_CHUNKS = 2048;

    /** Empty where the file does not say, or cannot be read. */
    static Optional<NcclVersion> of(Path library) {
        try (InputStream file = Files.newInputStream(library)) {
            String tail = "";
            for (int i = 0; i < MAX_CHUNKS; i++) {
                byte[] chunk = file.readNBytes(CHUNK_BYTES);
                String text = tail + new String(chunk, StandardCharsets.ISO_8859_1);
                Matcher banner = BANNER.matcher(text);
                if (banner.find()) {
                    return Optional.of(new NcclVersion(number(banner, 1), number(banner, 2), number(banner, 3)));
                } else if (chunk.length < CHUNK_BYTES) {
                    return Optional.empty();
                }
                tail = text.substring(text.length() - OVERLAP_BYTES);
            }
            return Optional.empty();
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    private static int number(Matcher banner, int group) {
        return Integer.parseInt(banner.group(group));
    }

    boolean newEnough() {
        return AGE.compare(this, NEEDED) >= 0;
    }

    @Override
    public String toString() {
        return "%d.%d.%d".formatted(major, minor, patch);
    }
}
