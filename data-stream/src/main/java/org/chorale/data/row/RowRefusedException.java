// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.row;

import java.util.Map;
import java.util.stream.Collectors;

/** A row cannot be filtered or changed; the message says which step fails on it and why, without file and line. */
public final class RowRefusedException extends Exception {
    private static final long serialVersionUID = 1;

    private static final int NAMED_COLUMNS = 20;

    RowRefusedException(String message) {
        super(message);
    }

    /** A step needs a column that the row does not have. */
    static RowRefusedException missing(String step, String column, Map<String, ?> row) {
        String there = row.keySet().stream().limit(NAMED_COLUMNS).collect(Collectors.joining(", "));
        return new RowRefusedException("%s: the row has no column %s; it has %s%s"
                .formatted(step, column, there, row.size() > NAMED_COLUMNS ? ", …" : ""));
    }
}
