// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.parquet;

import com.fasterxml.jackson.core.JsonGenerator;
import java.nio.charset.StandardCharsets;
import org.apache.parquet.io.api.Binary;
import org.apache.parquet.io.api.Converter;
import org.apache.parquet.io.api.GroupConverter;
import org.apache.parquet.io.api.PrimitiveConverter;
import org.apache.parquet.schema.GroupType;
import org.apache.parquet.schema.PrimitiveType.PrimitiveTypeName;
import org.apache.parquet.schema.Type;

/** A group that is annotated as a map of texts or whole numbers, which becomes an object. */
final class MapConverter extends GroupConverter {
    private final RowWriter row;
    private final Slot slot;
    private final Entry entry;

    MapConverter(GroupType type, RowWriter row, Slot slot) {
        this.row = row;
        this.slot = slot;
        this.entry = new Entry(type.getType(0).asGroupType());
    }

    @Override
    public Converter getConverter(int fieldIndex) {
        return entry;
    }

    @Override
    public void start() {
        slot.begin();
        row.write(JsonGenerator::writeStartObject);
    }

    @Override
    public void end() {
        row.write(JsonGenerator::writeEndObject);
    }

    private final class Entry extends GroupConverter {
        private final Converter key;
        private final Converter value;
        private boolean valued;

        Entry(GroupType type) {
            if (type.getFieldCount() != 2 || !isName(type.getType(0))) {
                throw new UnsupportedException("a map whose keys are no texts or whole numbers");
            }
            this.key = new Key();
            this.value = Values.converter(type.getType(1), row, () -> valued = true);
        }

        private static boolean isName(Type key) {
            if (!key.isPrimitive()) {
                return false;
            }
            PrimitiveTypeName kind = key.asPrimitiveType().getPrimitiveTypeName();
            return kind == PrimitiveTypeName.BINARY
                    || kind == PrimitiveTypeName.INT32
                    || kind == PrimitiveTypeName.INT64;
        }

        @Override
        public Converter getConverter(int fieldIndex) {
            return fieldIndex == 0 ? key : value;
        }

        @Override
        public void start() {
            valued = false;
        }

        @Override
        public void end() {
            if (!valued) {
                row.write(JsonGenerator::writeNull);
            }
        }
    }

    private final class Key extends PrimitiveConverter {
        private void name(String name) {
            row.write(json -> json.writeFieldName(name));
        }

        @Override
        public void addBinary(Binary value) {
            name(new String(value.getBytesUnsafe(), StandardCharsets.UTF_8));
        }

        @Override
        public void addInt(int value) {
            name(String.valueOf(value));
        }

        @Override
        public void addLong(long value) {
            name(String.valueOf(value));
        }
    }
}
