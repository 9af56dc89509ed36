// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.safetensors;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Files and tensors made byte by byte, without the writer that is under test. */
final class HandMade {
    private HandMade() {}

    /** A file's bytes: header length, header, data. */
    static byte[] bytes(String header, byte... data) {
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        return withLength(json.length, json, data);
    }

    /** The same with a header length of its own. */
    static byte[] withLength(long headerBytes, byte[] header, byte... data) {
        return ByteBuffer.allocate(Long.BYTES + header.length + data.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(headerBytes)
                .put(header)
                .put(data)
                .array();
    }

    static Path write(Path file, byte[] content) {
        try {
            return Files.write(file, content);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A file with a U8 tensor of one byte for each name. */
    static Path write(Path file, String... names) {
        StringBuilder header = new StringBuilder("{");
        for (int i = 0; i < names.length; i++) {
            header.append(i == 0 ? "" : ",").append(entry(names[i], "U8", "[1]", i, i + 1));
        }
        return write(file, bytes(header.append("}").toString(), new byte[names.length]));
    }

    static String entry(String name, String dtype, String shape, long begin, long end) {
        return "\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%d,%d]}"
                .formatted(name, dtype, shape, begin, end);
    }

    /** Random bits; booleans are zero or one. */
    static Tensor tensor(ScalarType type, int elementBytes, long seed, long... shape) {
        int elements = 1;
        for (long size : shape) {
            elements *= Math.toIntExact(size);
        }
        byte[] content = new byte[elements * elementBytes];
        new Random(seed).nextBytes(content);
        if (type == ScalarType.Bool) {
            for (int i = 0; i < content.length; i++) {
                content[i] &= 1;
            }
        }
        return torch.tensor(content).view(ScalarType.Byte).view(type).view(shape);
    }

    static byte[] content(Tensor tensor) {
        byte[] content = new byte[Math.toIntExact(tensor.nbytes())];
        if (content.length > 0) {
            new BytePointer(tensor.data_ptr()).get(content);
        }
        return content;
    }
}
