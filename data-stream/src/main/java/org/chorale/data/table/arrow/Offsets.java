// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.arrow;

/** Where the values of a column of texts or lists begin and end, in numbers of 32 or 64 bits. */
final class Offsets {
    private final boolean large;
    private Window offsets = Window.of(new byte[0]);

    Offsets(boolean large) {
        this.large = large;
    }

    void load(BatchBuffers batch) {
        offsets = batch.buffer();
    }

    long begin(long index) {
        return large ? offsets.longAt(index * Long.BYTES) : offsets.intAt(index * Integer.BYTES);
    }

    long end(long index) {
        return begin(index + 1);
    }
}
