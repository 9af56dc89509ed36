// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.safetensors;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/** Encodes headers as the reference writer does: wide elements first, so that every tensor is aligned, then by name. */
final class HeaderWriter {
    static final Comparator<TensorSpec> FILE_ORDER =
            Comparator.comparingInt((TensorSpec spec) -> -spec.dtype().bits()).thenComparing(TensorSpec::name);

    private static final JsonFactory FACTORY = new JsonFactory();
    private static final byte PADDING = ' ';

    private HeaderWriter() {}

    /**
     * The length and the JSON, padded to a multiple of 8 bytes.
     *
     * @param specs in the order in which the tensors will follow
     * @throws IllegalArgumentException where a reader would refuse the header
     */
    static ByteBuffer encode(List<TensorSpec> specs, Map<String, String> metadata) throws IOException {
        byte[] json = json(specs, metadata);
        int padded = (json.length + Long.BYTES - 1) / Long.BYTES * Long.BYTES;
        if (padded > SafetensorsHeader.MAX_HEADER_BYTES) {
            throw new IllegalArgumentException("%d tensors need a header of %d bytes; at most %d are allowed"
                    .formatted(specs.size(), padded, SafetensorsHeader.MAX_HEADER_BYTES));
        }
        ByteBuffer header = ByteBuffer.allocate(SafetensorsHeader.LENGTH_BYTES + padded)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(padded)
                .put(json);
        Arrays.fill(header.array(), header.position(), header.capacity(), PADDING);
        return header.rewind();
    }

    private static byte[] json(List<TensorSpec> specs, Map<String, String> metadata) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (JsonGenerator json = FACTORY.createGenerator(bytes)) {
            json.writeStartObject();
            if (!metadata.isEmpty()) {
                json.writeObjectFieldStart(HeaderParser.METADATA);
                for (Map.Entry<String, String> entry : metadata.entrySet()) {
                    json.writeStringField(entry.getKey(), entry.getValue());
                }
                json.writeEndObject();
            }
            long begin = 0;
            for (TensorSpec spec : specs) {
                writeEntry(json, spec, begin);
                begin = Math.addExact(begin, spec.bytes());
            }
            json.writeEndObject();
        }
        return bytes.toByteArray();
    }

    private static void writeEntry(JsonGenerator json, TensorSpec spec, long begin) throws IOException {
        if (spec.name().equals(HeaderParser.METADATA)) {
            throw new IllegalArgumentException("no tensor may be called " + HeaderParser.METADATA);
        }
        long[] shape = spec.shape().stream().mapToLong(Long::longValue).toArray();
        json.writeObjectFieldStart(spec.name());
        json.writeStringField("dtype", spec.dtype().name());
        json.writeFieldName("shape");
        json.writeArray(shape, 0, shape.length);
        json.writeFieldName("data_offsets");
        json.writeArray(new long[] {begin, begin + spec.bytes()}, 0, 2);
        json.writeEndObject();
    }
}
