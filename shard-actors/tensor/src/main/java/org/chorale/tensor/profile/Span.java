// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.profile;

/**
 * Something that took time.
 *
 * @param startNanos of {@link System#nanoTime}, GPUs' times included
 * @param bytes that were moved; 0 where nothing is
 */
public record Span(Lane lane, String name, long startNanos, long endNanos, long bytes) {
    /** The part that is not before a moment. */
    Span from(long nanos) {
        return startNanos >= nanos ? this : new Span(lane, name, nanos, endNanos, bytes);
    }
}
