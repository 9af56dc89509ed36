// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.parquet;

import com.fasterxml.jackson.core.JsonGenerator;
import org.apache.parquet.io.api.Converter;
import org.apache.parquet.io.api.GroupConverter;
import org.apache.parquet.schema.GroupType;
import org.apache.parquet.schema.Type;

/**
 * A group that is annotated as a list. Its only field is repeated: a group around each element, which may be null, or, as
 * older writers have it, the element itself; the format's rules for backward compatibility tell them apart.
 */
final class ListConverter extends GroupConverter {
    private final RowWriter row;
    private final Slot slot;
    private final Converter elements;

    ListConverter(GroupType type, RowWriter row, Slot slot) {
        this.row = row;
        this.slot = slot;
        Type repeated = type.getType(0);
        this.elements = isElement(repeated, type.getName())
                ? Values.converter(repeated, row, () -> {})
                : new Wrapper(repeated.asGroupType().getType(0));
    }

    private static boolean isElement(Type repeated, String list) {
        return repeated.isPrimitive()
                || repeated.asGroupType().getFieldCount() != 1
                || repeated.asGroupType().getType(0).isRepetition(Type.Repetition.REPEATED)
                || repeated.getName().equals("array")
                || repeated.getName().equals(list + "_tuple");
    }

    @Override
    public Converter getConverter(int fieldIndex) {
        return elements;
    }

    @Override
    public void start() {
        slot.begin();
        row.write(JsonGenerator::writeStartArray);
    }

    @Override
    public void end() {
        row.write(JsonGenerator::writeEndArray);
    }

    /** The group around an element; what comes without one is a null. */
    private final class Wrapper extends GroupConverter {
        private final Converter element;
        private boolean seen;

        Wrapper(Type element) {
            this.element = Values.converter(element, row, () -> seen = true);
        }

        @Override
        public Converter getConverter(int fieldIndex) {
            return element;
        }

        @Override
        public void start() {
            seen = false;
        }

        @Override
        public void end() {
            if (!seen) {
                row.write(JsonGenerator::writeNull);
            }
        }
    }
}
