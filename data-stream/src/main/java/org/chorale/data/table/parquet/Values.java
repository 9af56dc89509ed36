// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.parquet;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import org.apache.parquet.io.api.Binary;
import org.apache.parquet.io.api.Converter;
import org.apache.parquet.io.api.PrimitiveConverter;
import org.apache.parquet.schema.GroupType;
import org.apache.parquet.schema.LogicalTypeAnnotation;
import org.apache.parquet.schema.LogicalTypeAnnotation.DateLogicalTypeAnnotation;
import org.apache.parquet.schema.LogicalTypeAnnotation.DecimalLogicalTypeAnnotation;
import org.apache.parquet.schema.LogicalTypeAnnotation.Float16LogicalTypeAnnotation;
import org.apache.parquet.schema.LogicalTypeAnnotation.IntLogicalTypeAnnotation;
import org.apache.parquet.schema.LogicalTypeAnnotation.ListLogicalTypeAnnotation;
import org.apache.parquet.schema.LogicalTypeAnnotation.MapLogicalTypeAnnotation;
import org.apache.parquet.schema.LogicalTypeAnnotation.TimeLogicalTypeAnnotation;
import org.apache.parquet.schema.LogicalTypeAnnotation.TimestampLogicalTypeAnnotation;
import org.apache.parquet.schema.LogicalTypeAnnotation.UUIDLogicalTypeAnnotation;
import org.apache.parquet.schema.PrimitiveType;
import org.apache.parquet.schema.PrimitiveType.PrimitiveTypeName;
import org.apache.parquet.schema.Type;
import org.chorale.data.table.Cells;
import org.jspecify.annotations.Nullable;

/** What becomes of a column's values, by its type: texts, numbers, true and false, and ISO 8601 for times. */
final class Values {
    /** Writes a whole number. */
    private interface Whole {
        void to(JsonGenerator json, long value) throws IOException;
    }

    /** Writes bytes. */
    private interface Bytes {
        void to(JsonGenerator json, ByteBuffer bytes) throws IOException;
    }

    private Values() {}

    static Converter converter(Type type, RowWriter row, Slot slot) {
        LogicalTypeAnnotation meaning = type.getLogicalTypeAnnotation();
        if (type.isPrimitive()) {
            PrimitiveType column = type.asPrimitiveType();
            return new Value(row, slot, whole(column, meaning), bytes(column, meaning));
        }
        GroupType group = type.asGroupType();
        boolean one = group.getFieldCount() == 1 && group.getType(0).isRepetition(Type.Repetition.REPEATED);
        if (one && meaning instanceof ListLogicalTypeAnnotation) {
            return new ListConverter(group, row, slot);
        }
        return one
                        && meaning instanceof MapLogicalTypeAnnotation
                        && !group.getType(0).isPrimitive()
                ? new MapConverter(group, row, slot)
                : new StructConverter(group, row, slot);
    }

    private static Whole whole(PrimitiveType column, @Nullable LogicalTypeAnnotation meaning) {
        boolean isInt = column.getPrimitiveTypeName() == PrimitiveTypeName.INT32;
        if (meaning instanceof DateLogicalTypeAnnotation) {
            return Cells::date;
        } else if (meaning instanceof TimestampLogicalTypeAnnotation stamp) {
            long units = unitsPerSecond(stamp.getUnit());
            return (json, value) -> Cells.timestamp(json, value, units, stamp.isAdjustedToUTC());
        } else if (meaning instanceof TimeLogicalTypeAnnotation time) {
            long units = unitsPerSecond(time.getUnit());
            return (json, value) -> Cells.time(json, value, units);
        } else if (meaning instanceof DecimalLogicalTypeAnnotation decimal) {
            return (json, value) -> json.writeNumber(BigDecimal.valueOf(value, decimal.getScale()));
        } else if (meaning instanceof IntLogicalTypeAnnotation number && !number.isSigned()) {
            return isInt ? (json, value) -> json.writeNumber(value & 0xFFFFFFFFL) : Cells::unsigned;
        }
        return JsonGenerator::writeNumber;
    }

    private static Bytes bytes(PrimitiveType column, @Nullable LogicalTypeAnnotation meaning) {
        if (meaning instanceof DecimalLogicalTypeAnnotation decimal) {
            return (json, bytes) -> json.writeNumber(new BigDecimal(new BigInteger(copy(bytes)), decimal.getScale()));
        } else if (meaning instanceof UUIDLogicalTypeAnnotation) {
            return Cells::uuid;
        } else if (meaning instanceof Float16LogicalTypeAnnotation) {
            return (json, bytes) -> json.writeNumber(Cells.half(Short.reverseBytes(bytes.getShort())));
        } else if (column.getPrimitiveTypeName() == PrimitiveTypeName.INT96) {
            return Cells::int96;
        }
        return Cells::text;
    }

    private static byte[] copy(ByteBuffer bytes) {
        byte[] copy = new byte[bytes.remaining()];
        bytes.get(copy);
        return copy;
    }

    private static long unitsPerSecond(LogicalTypeAnnotation.TimeUnit unit) {
        return switch (unit) {
            case MILLIS -> 1_000;
            case MICROS -> 1_000_000;
            case NANOS -> 1_000_000_000;
        };
    }

    private static final class Value extends PrimitiveConverter {
        private final RowWriter row;
        private final Slot slot;
        private final Whole whole;
        private final Bytes bytes;

        Value(RowWriter row, Slot slot, Whole whole, Bytes bytes) {
            this.row = row;
            this.slot = slot;
            this.whole = whole;
            this.bytes = bytes;
        }

        private void write(RowWriter.Write value) {
            slot.begin();
            row.write(value);
        }

        @Override
        public void addBinary(Binary value) {
            write(json -> bytes.to(json, value.toByteBuffer()));
        }

        @Override
        public void addBoolean(boolean value) {
            write(json -> json.writeBoolean(value));
        }

        @Override
        public void addDouble(double value) {
            write(json -> json.writeNumber(value));
        }

        @Override
        public void addFloat(float value) {
            write(json -> json.writeNumber(value));
        }

        @Override
        public void addInt(int value) {
            write(json -> whole.to(json, value));
        }

        @Override
        public void addLong(long value) {
            write(json -> whole.to(json, value));
        }
    }
}
