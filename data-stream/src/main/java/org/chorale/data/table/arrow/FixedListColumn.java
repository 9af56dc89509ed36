// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.arrow;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;

/** Lists that are all of the same size. */
final class FixedListColumn extends Column {
    private final int size;
    private final Column elements;

    FixedListColumn(int size, Column elements) {
        this.size = size;
        this.elements = elements;
    }

    @Override
    void loadValues(BatchBuffers batch) {
        elements.load(batch);
    }

    @Override
    void write(JsonGenerator json, long index) throws IOException {
        json.writeStartArray();
        for (long at = index * size; at < (index + 1) * size; at++) {
            elements.writeAny(json, at);
        }
        json.writeEndArray();
    }
}
