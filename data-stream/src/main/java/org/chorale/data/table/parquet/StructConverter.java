// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.parquet;

import com.fasterxml.jackson.core.JsonGenerator;
import java.util.ArrayList;
import java.util.List;
import org.apache.parquet.io.api.Converter;
import org.apache.parquet.io.api.GroupConverter;
import org.apache.parquet.schema.GroupType;
import org.apache.parquet.schema.Type;
import org.apache.parquet.schema.Type.Repetition;
import org.jspecify.annotations.Nullable;

/**
 * A group of fields, which becomes an object. A repeated field without a list around it becomes a list, which ends where
 * another field or the end of the group comes.
 */
final class StructConverter extends GroupConverter {
    private final RowWriter row;
    private final @Nullable Slot slot; // null of a row itself
    private final List<Converter> fields = new ArrayList<>();
    private @Nullable Field open; // whose list has begun

    StructConverter(GroupType type, RowWriter row, @Nullable Slot slot) {
        this.row = row;
        this.slot = slot;
        for (Type field : type.getFields()) {
            fields.add(Values.converter(field, row, new Field(field)));
        }
    }

    @Override
    public Converter getConverter(int fieldIndex) {
        return fields.get(fieldIndex);
    }

    @Override
    public void start() {
        if (slot == null) {
            row.begin();
        } else {
            slot.begin();
            row.write(JsonGenerator::writeStartObject);
        }
    }

    @Override
    public void end() {
        endRepeated();
        if (slot == null) {
            row.end();
        } else {
            row.write(JsonGenerator::writeEndObject);
        }
    }

    private void endRepeated() {
        if (open != null) {
            open = null;
            row.write(JsonGenerator::writeEndArray);
        }
    }

    /** The place behind a field's name. */
    private final class Field implements Slot {
        private final String name;
        private final boolean repeated;

        Field(Type type) {
            this.name = type.getName();
            this.repeated = type.isRepetition(Repetition.REPEATED);
        }

        @Override
        public void begin() {
            if (open == this) {
                return;
            }
            endRepeated();
            row.write(json -> json.writeFieldName(name));
            if (repeated) {
                open = this;
                row.write(JsonGenerator::writeStartArray);
            }
        }
    }
}
