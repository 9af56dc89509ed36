// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.row;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/** One thing that is done with a row. */
sealed interface RowStep {
    /** What tells it from other steps: with another, rows have other verdicts. */
    String identity();

    /** Keeps a row or leaves it out. */
    non-sealed interface Filter extends RowStep {
        boolean keeps(Map<String, @Nullable Object> row) throws RowRefusedException;
    }

    /** Makes another row of it. */
    non-sealed interface Change extends RowStep {
        Map<String, @Nullable Object> changed(Map<String, @Nullable Object> row) throws RowRefusedException;
    }
}
