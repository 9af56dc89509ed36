// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.arrow;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;

/** Lists, whose elements stand one behind the other in a column of their own. */
final class ListColumn extends Column {
    private final Offsets offsets;
    private final Column elements;

    ListColumn(boolean large, Column elements) {
        this.offsets = new Offsets(large);
        this.elements = elements;
    }

    @Override
    void loadValues(BatchBuffers batch) {
        offsets.load(batch);
        elements.load(batch);
    }

    @Override
    void write(JsonGenerator json, long index) throws IOException {
        json.writeStartArray();
        for (long at = offsets.begin(index); at < offsets.end(index); at++) {
            elements.writeAny(json, at);
        }
        json.writeEndArray();
    }
}
