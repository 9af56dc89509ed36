// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import java.nio.ByteBuffer;
import java.util.Map;
import java.util.Optional;
import org.chorale.data.row.RowRefusedException;
import org.chorale.data.row.RowSteps;
import org.jspecify.annotations.Nullable;

/** Makes examples of what the steps of a source leave of its rows. */
record RowExamples(RowSteps steps) {
    /** The example in a row that is read for the first time; empty where a filter leaves it out. */
    Optional<Example> judged(ByteBuffer row) throws MalformedRowException {
        if (steps.isEmpty()) {
            return Optional.of(JsonlRow.parse(row));
        }
        try {
            Optional<Map<String, @Nullable Object>> kept = steps.judged(RowJson.columns(row));
            return kept.isEmpty() ? Optional.empty() : Optional.of(JsonlRow.of(kept.get()));
        } catch (RowRefusedException e) {
            throw new MalformedRowException(String.valueOf(e.getMessage()));
        }
    }

    /** The example in a row that was kept before. */
    Example read(ByteBuffer row) throws MalformedRowException {
        if (steps.isEmpty()) {
            return JsonlRow.parse(row);
        }
        try {
            return JsonlRow.of(steps.changed(RowJson.columns(row)));
        } catch (RowRefusedException e) {
            throw new MalformedRowException(String.valueOf(e.getMessage()));
        }
    }
}
