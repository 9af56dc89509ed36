// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.row;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Keeps some columns. */
record SelectStep(String key, List<String> columns) implements RowStep.Change {
    @Override
    public Map<String, @Nullable Object> changed(Map<String, @Nullable Object> row) throws RowRefusedException {
        Map<String, @Nullable Object> changed = new LinkedHashMap<>();
        for (String column : columns) {
            if (!row.containsKey(column)) {
                throw RowRefusedException.missing(key, column, row);
            }
            changed.put(column, row.get(column));
        }
        return changed;
    }

    @Override
    public String identity() {
        return "select=" + columns;
    }
}
