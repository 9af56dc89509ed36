// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.batch;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * A named array in C order, little endian, in host memory.
 *
 * <p>The arrays belong to the column: neither side changes them after construction.
 *
 * @param name what preprocessors and models call it: {@code tokens}, {@code labels}
 * @param type of an element
 * @param shape extents; their product times the element's size is {@code bytes.length}
 * @param bytes the elements
 */
@SuppressWarnings("ArrayRecordComponent") // a batch's bytes are too many to copy for an immutable view
public record Column(String name, ColumnType type, long[] shape, byte[] bytes) {
    public Column {
        long elements = Arrays.stream(shape).reduce(1, Math::multiplyExact);
        if (elements * type.bytes() != bytes.length) {
            throw new IllegalArgumentException("column %s: shape %s of %s takes %d bytes, not %d"
                    .formatted(name, Arrays.toString(shape), type, elements * type.bytes(), bytes.length));
        }
    }

    /** A column of 64-bit integers. */
    public static Column ofLongs(String name, long[] values, long... shape) {
        ByteBuffer buffer = ByteBuffer.allocate(values.length * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        buffer.asLongBuffer().put(values);
        return new Column(name, ColumnType.I64, shape, buffer.array());
    }

    /** A column of 32-bit floating-point numbers. */
    public static Column ofFloats(String name, float[] values, long... shape) {
        ByteBuffer buffer = ByteBuffer.allocate(values.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        buffer.asFloatBuffer().put(values);
        return new Column(name, ColumnType.F32, shape, buffer.array());
    }

    /** The elements of an {@link ColumnType#I64} column. */
    public long[] longs() {
        if (type != ColumnType.I64) {
            throw new IllegalStateException("column " + name + " holds " + type + ", not I64");
        }
        long[] values = new long[bytes.length / Long.BYTES];
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asLongBuffer().get(values);
        return values;
    }

    /** The elements of an {@link ColumnType#F32} column. */
    public float[] floats() {
        if (type != ColumnType.F32) {
            throw new IllegalStateException("column " + name + " holds " + type + ", not F32");
        }
        float[] values = new float[bytes.length / Float.BYTES];
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values);
        return values;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Column that
                && name.equals(that.name)
                && type == that.type
                && Arrays.equals(shape, that.shape)
                && Arrays.equals(bytes, that.bytes);
    }

    @Override
    public int hashCode() {
        return name.hashCode() * 31 + Arrays.hashCode(bytes);
    }
}
