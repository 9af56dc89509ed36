// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.profile;

import org.jspecify.annotations.Nullable;

/**
 * Something that took time.
 *
 * @param startNanos of {@link System#nanoTime}, GPUs' times included
 * @param bytes that were moved; 0 where nothing is
 * @param traffic whose bytes these are; null where no other rank takes part, or it is not known
 */
public record Span(
        Lane lane,
        String name,
        long startNanos,
        long endNanos,
        long bytes,
        @Nullable Traffic traffic) {
    /** Of one rank alone. */
    public Span(Lane lane, String name, long startNanos, long endNanos, long bytes) {
        this(lane, name, startNanos, endNanos, bytes, null);
    }

    /** The part that is not before a moment. */
    Span from(long nanos) {
        return startNanos >= nanos ? this : new Span(lane, name, nanos, endNanos, bytes, traffic);
    }

    /** The same with what it has moved between ranks. */
    Span with(Traffic moved) {
        return new Span(lane, name, startNanos, endNanos, moved.bytes(), moved);
    }
}
