// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.row;

import dev.cel.common.values.NullValue;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The values of a row as the expression library has them, and back. They are the same but for null. */
final class RowValues {
    private RowValues() {}

    static Object toCel(@Nullable Object value) {
        if (value instanceof Map<?, ?> map) {
            Map<String, Object> converted = new LinkedHashMap<>();
            map.forEach((key, inner) -> converted.put(String.valueOf(key), toCel(inner)));
            return converted;
        } else if (value instanceof List<?> list) {
            return list.stream().map(RowValues::toCel).toList();
        }
        return value == null ? NullValue.NULL_VALUE : value;
    }

    /** @throws IllegalArgumentException where it is nothing that a row can hold */
    static @Nullable Object fromCel(Object value) {
        if (value instanceof Map<?, ?> map) {
            Map<String, @Nullable Object> converted = new LinkedHashMap<>();
            map.forEach((key, inner) -> converted.put(name(key), fromCel(inner)));
            return converted;
        } else if (value instanceof List<?> list) {
            return list.stream().map(RowValues::fromCel).collect(Collectors.toCollection(ArrayList::new));
        } else if (value instanceof NullValue) {
            return null;
        } else if (value instanceof String
                || value instanceof Long
                || value instanceof Double
                || value instanceof Boolean) {
            return value;
        }
        throw new IllegalArgumentException("gives a %s; must give a text, a number, true, false, null, a list or a map"
                .formatted(value.getClass().getSimpleName()));
    }

    private static String name(Object key) {
        if (key instanceof String name) {
            return name;
        }
        throw new IllegalArgumentException("gives a map with a key that is no text: " + key);
    }
}
