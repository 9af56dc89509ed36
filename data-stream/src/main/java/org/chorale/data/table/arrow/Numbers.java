// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.arrow;

import com.google.flatbuffers.Table;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.util.Objects;
import org.apache.arrow.flatbuf.Date;
import org.apache.arrow.flatbuf.DateUnit;
import org.apache.arrow.flatbuf.Decimal;
import org.apache.arrow.flatbuf.Field;
import org.apache.arrow.flatbuf.FixedSizeBinary;
import org.apache.arrow.flatbuf.FloatingPoint;
import org.apache.arrow.flatbuf.Int;
import org.apache.arrow.flatbuf.Precision;
import org.apache.arrow.flatbuf.Time;
import org.apache.arrow.flatbuf.TimeUnit;
import org.apache.arrow.flatbuf.Timestamp;
import org.apache.arrow.flatbuf.Type;
import org.chorale.data.table.Cells;

/** What becomes of values of a fixed width, by their type. */
final class Numbers {
    private static final long MILLIS_PER_SECOND = 1_000;

    private Numbers() {}

    /** Reads whole numbers of a width. */
    static DictionaryColumn.Index whole(int bits, boolean signed) {
        return switch (bits) {
            case Byte.SIZE -> signed ? (w, i) -> w.byteAt(i) : (w, i) -> w.byteAt(i) & 0xFF;
            case Short.SIZE ->
                signed ? (w, i) -> w.shortAt(i * Short.BYTES) : (w, i) -> w.shortAt(i * Short.BYTES) & 0xFFFF;
            case Integer.SIZE ->
                signed ? (w, i) -> w.intAt(i * Integer.BYTES) : (w, i) -> w.intAt(i * Integer.BYTES) & 0xFFFFFFFFL;
            case Long.SIZE -> (w, i) -> w.longAt(i * Long.BYTES);
            default -> throw new UnsupportedException("whole numbers of %d bits".formatted(bits));
        };
    }

    static PlainColumn.Write of(Field field) {
        return switch (field.typeType()) {
            case Type.Bool -> (json, window, i) -> json.writeBoolean(window.bit(i));
            case Type.Int -> whole((Int) type(field, new Int()));
            case Type.FloatingPoint -> floating((FloatingPoint) type(field, new FloatingPoint()));
            case Type.Decimal -> decimal((Decimal) type(field, new Decimal()));
            case Type.Date -> date((Date) type(field, new Date()));
            case Type.Time -> time((Time) type(field, new Time()));
            case Type.Timestamp -> timestamp((Timestamp) type(field, new Timestamp()));
            case Type.Duration -> (json, window, i) -> json.writeNumber(window.longAt(i * Long.BYTES));
            case Type.FixedSizeBinary -> {
                int width = ((FixedSizeBinary) type(field, new FixedSizeBinary())).byteWidth();
                yield (json, window, i) -> Cells.text(json, window.slice(i * width, width));
            }
            default ->
                throw new UnsupportedException(
                        "column %s of type %s".formatted(field.name(), Type.name(field.typeType())));
        };
    }

    private static Table type(Field field, Table into) {
        return Objects.requireNonNull(field.type(into), "a column has no type");
    }

    private static PlainColumn.Write whole(Int type) {
        DictionaryColumn.Index number = whole(type.bitWidth(), type.isSigned());
        return type.isSigned()
                ? (json, window, i) -> json.writeNumber(number.at(window, i))
                : (json, window, i) -> Cells.unsigned(json, number.at(window, i));
    }

    private static PlainColumn.Write floating(FloatingPoint type) {
        return switch (type.precision()) {
            case Precision.HALF -> (json, window, i) -> json.writeNumber(Cells.half(window.shortAt(i * Short.BYTES)));
            case Precision.SINGLE ->
                (json, window, i) -> json.writeNumber(Float.intBitsToFloat(window.intAt(i * Float.BYTES)));
            default -> (json, window, i) -> json.writeNumber(Double.longBitsToDouble(window.longAt(i * Double.BYTES)));
        };
    }

    /** Little-endian, of up to 256 bits. */
    private static PlainColumn.Write decimal(Decimal type) {
        int width = type.bitWidth() / Byte.SIZE;
        return (json, window, i) -> {
            ByteBuffer bytes = window.slice(i * width, width);
            byte[] number = new byte[width];
            for (int k = 0; k < width; k++) {
                number[width - 1 - k] = bytes.get();
            }
            json.writeNumber(new BigDecimal(new BigInteger(number), type.scale()));
        };
    }

    private static PlainColumn.Write date(Date type) {
        return type.unit() == DateUnit.DAY
                ? (json, window, i) -> Cells.date(json, window.intAt(i * Integer.BYTES))
                : (json, window, i) -> Cells.timestamp(json, window.longAt(i * Long.BYTES), MILLIS_PER_SECOND, false);
    }

    private static PlainColumn.Write time(Time type) {
        DictionaryColumn.Index number = whole(type.bitWidth(), true);
        long units = unitsPerSecond(type.unit());
        return (json, window, i) -> Cells.time(json, number.at(window, i), units);
    }

    private static PlainColumn.Write timestamp(Timestamp type) {
        boolean utc = type.timezone() != null && !type.timezone().isEmpty();
        long units = unitsPerSecond(type.unit());
        return (json, window, i) -> Cells.timestamp(json, window.longAt(i * Long.BYTES), units, utc);
    }

    private static long unitsPerSecond(short unit) {
        return switch (unit) {
            case TimeUnit.SECOND -> 1;
            case TimeUnit.MILLISECOND -> MILLIS_PER_SECOND;
            case TimeUnit.MICROSECOND -> 1_000_000;
            default -> 1_000_000_000;
        };
    }
}
