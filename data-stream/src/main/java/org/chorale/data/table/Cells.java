// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalTime;
import java.time.ZoneOffset;
import java.util.UUID;

/** Writes cells of typed tables as JSON. Times are texts as ISO 8601 has them. */
public final class Cells {
    private static final long NANOS_PER_SECOND = 1_000_000_000;
    private static final long SECONDS_PER_DAY = 86_400;

    /** The day that Julian days, which INT96 counts, have at 1970-01-01. */
    private static final long JULIAN_EPOCH_DAY = 2_440_588;

    private Cells() {}

    /**
     * Writes bytes as the text that they are; what is no UTF-8 becomes {@code {"binary": bytes}}, which no format takes
     * for a text.
     */
    public static void text(JsonGenerator json, ByteBuffer bytes) throws IOException {
        if (bytes.hasArray()) {
            text(json, bytes.array(), bytes.arrayOffset() + bytes.position(), bytes.remaining());
        } else {
            byte[] copy = new byte[bytes.remaining()];
            bytes.get(copy);
            text(json, copy, 0, copy.length);
        }
    }

    /** As above. */
    public static void text(JsonGenerator json, byte[] bytes, int offset, int length) throws IOException {
        if (Utf8.isValid(bytes, offset, length)) {
            json.writeUTF8String(bytes, offset, length);
        } else {
            json.writeStartObject();
            json.writeNumberField("binary", length);
            json.writeEndObject();
        }
    }

    /** A day, counted from 1970-01-01. */
    public static void date(JsonGenerator json, long epochDay) throws IOException {
        try {
            json.writeString(LocalDate.ofEpochDay(epochDay).toString());
        } catch (DateTimeException e) {
            json.writeNumber(epochDay); // no day that a calendar has
        }
    }

    /** A time of day. */
    public static void time(JsonGenerator json, long value, long unitsPerSecond) throws IOException {
        try {
            json.writeString(LocalTime.ofNanoOfDay(Math.multiplyExact(value, NANOS_PER_SECOND / unitsPerSecond))
                    .toString());
        } catch (DateTimeException | ArithmeticException e) {
            json.writeNumber(value); // no time that a day has
        }
    }

    /**
     * A moment.
     *
     * @param utc whether it is one on the time line; else it is what a calendar and a clock show somewhere
     */
    public static void timestamp(JsonGenerator json, long value, long unitsPerSecond, boolean utc) throws IOException {
        long seconds = Math.floorDiv(value, unitsPerSecond);
        long nanos = Math.floorMod(value, unitsPerSecond) * (NANOS_PER_SECOND / unitsPerSecond);
        try {
            Instant moment = Instant.ofEpochSecond(seconds, nanos);
            json.writeString(
                    utc
                            ? moment.toString()
                            : moment.atOffset(ZoneOffset.UTC).toLocalDateTime().toString());
        } catch (DateTimeException e) {
            json.writeNumber(value); // no moment that a calendar has
        }
    }

    /** Twelve bytes as old writers of Parquet have a moment: nanoseconds of a day, and its Julian number. */
    public static void int96(JsonGenerator json, ByteBuffer bytes) throws IOException {
        ByteBuffer moment = bytes.slice().order(ByteOrder.LITTLE_ENDIAN);
        long nanos = moment.getLong();
        long seconds = (moment.getInt() - JULIAN_EPOCH_DAY) * SECONDS_PER_DAY;
        json.writeString(Instant.ofEpochSecond(seconds, nanos).toString());
    }

    /** Sixteen bytes, big-endian. */
    public static void uuid(JsonGenerator json, ByteBuffer bytes) throws IOException {
        ByteBuffer halves = bytes.slice();
        json.writeString(new UUID(halves.getLong(), halves.getLong()).toString());
    }

    /** A whole number of 64 bits without a sign. */
    public static void unsigned(JsonGenerator json, long value) throws IOException {
        if (value >= 0) {
            json.writeNumber(value);
        } else {
            json.writeNumber(new BigInteger(Long.toUnsignedString(value)));
        }
    }

    /** The number that 16 bits of IEEE 754 are. */
    public static float half(short bits) {
        int exponent = bits >>> 10 & 0x1F;
        int fraction = bits & 0x3FF;
        float size = switch (exponent) {
            case 0 -> Math.scalb((float) fraction, -24);
            case 0x1F -> fraction == 0 ? Float.POSITIVE_INFINITY : Float.NaN;
            default -> Math.scalb((float) (fraction | 0x400), exponent - 25);
        };
        return bits < 0 ? -size : size;
    }
}
