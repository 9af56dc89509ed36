// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import java.nio.ByteBuffer;
import java.util.Map;
import java.util.Optional;
import org.chorale.data.row.RowRefusedException;
import org.chorale.data.row.RowSteps;
import org.jspecify.annotations.Nullable;

/** Makes examples of what the steps of a source leave of its rows. Safe to use from many threads. */
record RowExamples(RowParser parser, RowSteps steps) {
    /** The example in a row that is read for the first time; empty where a filter leaves it out. */
    Optional<Example> judged(ByteBuffer row) throws MalformedRowException {
        if (steps.isEmpty()) {
            return Optional.of(parser.parse(row));
        }
        try {
            Optional<Map<String, @Nullable Object>> kept = steps.judged(RowColumns.of(row));
            return kept.isEmpty() ? Optional.empty() : Optional.of(example(row, kept.get()));
        } catch (RowRefusedException e) {
            throw new MalformedRowException(String.valueOf(e.getMessage()));
        }
    }

    /** The example in a row that was kept before. */
    Example read(ByteBuffer row) throws MalformedRowException {
        if (!steps.changesRows()) {
            return parser.parse(row);
        }
        try {
            return example(row, steps.changed(RowColumns.of(row)));
        } catch (RowRefusedException e) {
            throw new MalformedRowException(String.valueOf(e.getMessage()));
        }
    }

    private Example example(ByteBuffer row, Map<String, @Nullable Object> columns) throws MalformedRowException {
        return parser.parse(steps.changesRows() ? RowColumns.line(columns) : row);
    }
}
