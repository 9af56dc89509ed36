// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.profile;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;

/**
 * What was recorded.
 *
 * @param started the time of day
 * @param startNanos the same moment of {@link System#nanoTime}, from which the file counts
 * @param spans in no order
 * @param lost spans that there was no room for
 */
public record Timeline(Instant started, long startNanos, List<Span> spans, long lost) {
    public Timeline {
        spans = List.copyOf(spans);
    }

    /**
     * Writes a file in Chrome's trace format, whole or not at all; its folder is made where it is missing.
     *
     * @param about names and values that the file begins with
     */
    public void write(Path file, Map<String, String> about) {
        try {
            TraceFile.write(file, this, about);
        } catch (IOException e) {
            throw new UncheckedIOException(file + ": the timeline cannot be written: " + e.getMessage(), e);
        }
    }
}
