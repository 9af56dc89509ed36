// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.arrow;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.util.Map;

/** Objects, of which each field is a column. */
final class StructColumn extends Column {
    private final Map<String, Column> fields;

    /** Fields in their order. */
    StructColumn(Map<String, Column> fields) {
        this.fields = fields;
    }

    @Override
    void loadValues(BatchBuffers batch) {
        for (Column field : fields.values()) {
            field.load(batch);
        }
    }

    @Override
    void write(JsonGenerator json, long index) throws IOException {
        json.writeStartObject();
        for (Map.Entry<String, Column> field : fields.entrySet()) {
            field.getValue().writeField(json, field.getKey(), index);
        }
        json.writeEndObject();
    }
}
