// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectReader;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** All columns of a row, an object on a line, as the steps of a source see them; and the line that they make. */
final class RowColumns {
    private static final ObjectReader OBJECT =
            RowJson.JSON.readerFor(JsonNode.class).with(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

    private RowColumns() {}

    /** Texts, Long, Double, BigInteger, Boolean, lists and maps of these, or null. */
    static Map<String, @Nullable Object> of(ByteBuffer line) throws MalformedRowException {
        if (line.remaining() > RowJson.MAX_TREE_BYTES) {
            throw new MalformedRowException(
                    "the row has %d bytes; one that is filtered or changed must have at most 4 MiB"
                            .formatted(line.remaining()));
        }
        try {
            JsonNode row = OBJECT.readTree(
                    StandardCharsets.UTF_8.decode(line.duplicate()).toString());
            Map<String, @Nullable Object> columns = new LinkedHashMap<>();
            row.properties().forEach(column -> columns.put(column.getKey(), plain(column.getValue())));
            RowJson unused = RowJson.parse(line.duplicate(), Set.of(), Set.of()); // says what a tree forgives
            return columns;
        } catch (JsonProcessingException e) {
            RowJson unused = RowJson.parse(line.duplicate(), Set.of(), Set.of()); // says better what is wrong
            throw new MalformedRowException("the row is not JSON: " + e.getOriginalMessage());
        }
    }

    /** The line of a row that was changed. */
    static ByteBuffer line(Map<String, @Nullable Object> columns) throws MalformedRowException {
        try {
            return ByteBuffer.wrap(RowJson.JSON.writeValueAsBytes(columns));
        } catch (JsonProcessingException e) {
            throw new MalformedRowException("the changed row cannot be written as JSON: " + e.getOriginalMessage());
        }
    }

    private static @Nullable Object plain(JsonNode node) {
        if (node.isObject()) {
            Map<String, @Nullable Object> map = new LinkedHashMap<>();
            node.properties().forEach(field -> map.put(field.getKey(), plain(field.getValue())));
            return map;
        } else if (node.isArray()) {
            List<@Nullable Object> list = new ArrayList<>();
            node.forEach(element -> list.add(plain(element)));
            return list;
        } else if (node.isIntegralNumber()) {
            return node.canConvertToLong() ? (Object) node.longValue() : node.bigIntegerValue();
        } else if (node.isNumber()) {
            return node.doubleValue();
        } else if (node.isBoolean()) {
            return node.booleanValue();
        }
        return node.isNull() ? null : node.textValue();
    }
}
