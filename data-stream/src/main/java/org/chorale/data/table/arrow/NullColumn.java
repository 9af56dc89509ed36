// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.arrow;

import com.fasterxml.jackson.core.JsonGenerator;

/** A field without values, which has no buffers either. */
final class NullColumn extends Column {
    @Override
    void load(BatchBuffers batch) {
        setLength(batch.node().length());
    }

    @Override
    void loadValues(BatchBuffers batch) {
        throw new IllegalStateException("a column of nulls has no values");
    }

    @Override
    boolean isNull(long index) {
        return true;
    }

    @Override
    void write(JsonGenerator json, long index) {
        throw new IllegalStateException("a column of nulls has no values");
    }
}
