// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.collective;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * An operation as the flight record of a group has it.
 *
 * @param group in which it was
 * @param number of the operation in its group, from 1: the same operation has the same number on all ranks that call the
 *     same
 * @param operation as {@link Collectives} calls it
 * @param bytes of the larger of its tensors
 * @param type of the values, as libtorch names it
 * @param begun when the host enqueued it
 * @param started when it was first seen to have nothing before it; null while there is something
 * @param ended when it was first seen to be done; null while it is not
 */
public record Flight(
        String group,
        long number,
        String operation,
        long bytes,
        String type,
        Instant begun,
        @Nullable Instant started,
        @Nullable Instant ended) {

    /** For messages: {@code all-gather 17 of world, 1,024 bytes of Float}. */
    @Override
    public String toString() {
        return "%s %d of %s, %,d bytes of %s".formatted(operation, number, group, bytes, type);
    }
}
