// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.kryo;

import com.esotericsoftware.kryo.Kryo;
import com.esotericsoftware.kryo.KryoException;
import com.esotericsoftware.kryo.Serializer;
import com.esotericsoftware.kryo.io.Input;
import com.esotericsoftware.kryo.io.Output;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.Parser;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;

/**
 * Replacements for Kryo's serializers of everything that has a length: Kryo's own allocate what the bytes claim, so
 * that a few corrupt bytes could exhaust the memory.
 */
final class BoundedSerializers {
    private BoundedSerializers() {}

    /** UTF-8. */
    static final class OfText extends Serializer<String> {
        @Override
        public void write(Kryo kryo, Output output, String text) {
            writeBytes(output, text.getBytes(StandardCharsets.UTF_8));
        }

        @Override
        public String read(Kryo kryo, Input input, Class<? extends String> type) {
            return new String(readBytes(input), StandardCharsets.UTF_8);
        }
    }

    /** The elements as they are. */
    static final class OfBytes extends Serializer<byte[]> {
        @Override
        public void write(Kryo kryo, Output output, byte[] bytes) {
            writeBytes(output, bytes);
        }

        @Override
        public byte[] read(Kryo kryo, Input input, Class<? extends byte[]> type) {
            return readBytes(input);
        }
    }

    /** Eight bytes an element: sample indices and shapes. */
    static final class OfLongs extends Serializer<long[]> {
        @Override
        public void write(Kryo kryo, Output output, long[] values) {
            output.writeVarInt(values.length, true);
            output.writeLongs(values, 0, values.length);
        }

        @Override
        public long[] read(Kryo kryo, Input input, Class<? extends long[]> type) {
            long[] values = new long[Bounds.count(input, Long.BYTES)];
            for (int i = 0; i < values.length; i++) {
                values[i] = input.readLong();
            }
            return values;
        }
    }

    /** What {@link List#of} and {@link List#copyOf} give; it comes back as such. */
    static final class OfList extends Serializer<List<?>> {
        @Override
        public void write(Kryo kryo, Output output, List<?> list) {
            output.writeVarInt(list.size(), true);
            list.forEach(element -> kryo.writeClassAndObject(output, element));
        }

        @Override
        public List<?> read(Kryo kryo, Input input, Class<? extends List<?>> type) {
            Object[] elements = new Object[Bounds.count(input, 1)];
            Arrays.setAll(elements, i -> kryo.readClassAndObject(input));
            return List.of(elements);
        }
    }

    /** A protobuf message in its own encoding, behind its length. */
    static final class OfWire extends Serializer<Message> {
        private final Parser<? extends Message> parser;

        OfWire(Parser<? extends Message> parser) {
            this.parser = parser;
        }

        @Override
        public void write(Kryo kryo, Output output, Message message) {
            writeBytes(output, message.toByteArray());
        }

        @Override
        public Message read(Kryo kryo, Input input, Class<? extends Message> type) {
            try {
                return parser.parseFrom(readBytes(input));
            } catch (InvalidProtocolBufferException e) {
                throw new KryoException(type.getSimpleName() + " cannot be parsed: " + e.getMessage(), e);
            }
        }
    }

    private static void writeBytes(Output output, byte[] bytes) {
        output.writeVarInt(bytes.length, true);
        output.writeBytes(bytes);
    }

    private static byte[] readBytes(Input input) {
        return input.readBytes(Bounds.count(input, 1));
    }
}
