// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import org.chorale.model.ModelFolder;
import org.chorale.model.outline.UnitOutline.ParameterOutline;
import org.chorale.tensor.safetensors.StoredType;

/** A large Llama of zeros that takes no room on the disk. */
final class SparseModel {
    private SparseModel() {}

    /**
     * Writes a model folder of [vocabulary, 1024] at both ends, with blocks of 16.8 million numbers between them.
     *
     * @return bytes of the weights
     */
    static long write(Path folder, int vocabulary, int blocks, StoredType dtype) throws IOException {
        Files.createDirectories(folder);
        Files.writeString(folder.resolve("config.json"), """
                {"model_type": "llama", "vocab_size": %d, "hidden_size": 1024, "intermediate_size": 4096,
                 "num_hidden_layers": %d, "num_attention_heads": 16, "tie_word_embeddings": false}
                """.formatted(vocabulary, blocks));
        List<ParameterOutline> parameters;
        try (ModelFolder drawn = ModelFolder.random(folder, 0)) {
            parameters = drawn.units().stream()
                    .flatMap(unit -> unit.parameters().stream())
                    .toList();
        }
        long[] end = {0};
        String header = parameters.stream()
                .map(parameter -> {
                    long begin = end[0];
                    end[0] += parameter.elements() * dtype.bits() / Byte.SIZE;
                    return "\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%d,%d]}"
                            .formatted(parameter.name(), dtype, parameter.shape(), begin, end[0]);
                })
                .collect(Collectors.joining(",", "{", "}"));
        byte[] json = (header + " ".repeat(-header.length() & 7)).getBytes(StandardCharsets.UTF_8);
        try (RandomAccessFile file =
                new RandomAccessFile(folder.resolve("model.safetensors").toFile(), "rw")) {
            file.write(ByteBuffer.allocate(Long.BYTES)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putLong(json.length)
                    .array());
            file.write(json);
            file.setLength(Long.BYTES + json.length + end[0]);
        }
        return end[0];
    }
}
