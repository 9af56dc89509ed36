// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The fields that are wanted of a row, and the columns that they are read from.
 *
 * @param texts fields that may be texts
 * @param trees fields that may be anything else
 * @param byColumn which field a column is; columns that are not named here are no field
 */
record RowFields(Set<String> texts, Set<String> trees, Map<String, String> byColumn) {
    /** Every field of every format. */
    static final List<String> ALL = List.of(
            "text",
            "prompt",
            "completion",
            "messages",
            "tools",
            "input_ids",
            "instruction",
            "input",
            "output",
            "conversations",
            "system",
            "chosen",
            "rejected",
            "label");

    /** Fields under their own names. */
    static RowFields of(Set<String> texts, Set<String> trees) {
        Map<String, String> byColumn = new HashMap<>();
        texts.forEach(field -> byColumn.put(field, field));
        trees.forEach(field -> byColumn.put(field, field));
        return new RowFields(texts, trees, Map.copyOf(byColumn));
    }

    /** Fields of which some have columns of other names; a column of the field's own name is then no field. */
    static RowFields of(Set<String> texts, Set<String> trees, Map<String, String> columns) {
        Map<String, String> byColumn = new HashMap<>();
        ALL.stream().filter(field -> !columns.containsKey(field)).forEach(field -> byColumn.put(field, field));
        columns.forEach((field, column) -> byColumn.put(column, field));
        return new RowFields(texts, trees, Map.copyOf(byColumn));
    }

    /** The column that a field is looked for in. */
    String column(String field) {
        return byColumn.entrySet().stream()
                .filter(column -> column.getValue().equals(field))
                .map(Map.Entry::getKey)
                .findFirst()
                .orElse(field);
    }

    /** The field that a column is; null where it is none. */
    @Nullable
    String of(String column) {
        return byColumn.get(column);
    }
}
