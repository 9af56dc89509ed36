// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.row;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** Sets columns to what expressions give for the row as it was. */
record MapStep(Map<String, RowExpression> columns) implements RowStep.Change {
    /** @throws IllegalArgumentException with a line per expression that is none */
    static MapStep compile(String key, Map<String, String> texts) {
        Map<String, RowExpression> columns = new TreeMap<>();
        List<String> problems = new ArrayList<>();
        new TreeMap<>(texts).forEach((column, text) -> {
            try {
                columns.put(column, RowExpression.compile(key + "." + column, text));
            } catch (IllegalArgumentException e) {
                problems.add(String.valueOf(e.getMessage()));
            }
        });
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("\n", problems));
        }
        return new MapStep(columns);
    }

    @Override
    public Map<String, @Nullable Object> changed(Map<String, @Nullable Object> row) throws RowRefusedException {
        Map<String, @Nullable Object> changed = new LinkedHashMap<>(row);
        for (Map.Entry<String, RowExpression> column : columns.entrySet()) {
            changed.put(column.getKey(), column.getValue().of(row));
        }
        return changed;
    }

    @Override
    public String identity() {
        StringBuilder identity = new StringBuilder("map=");
        columns.forEach((column, expression) ->
                identity.append(column).append(':').append(expression.text()).append(';'));
        return identity.toString();
    }
}
