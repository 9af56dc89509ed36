// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.parquet;

/** The place that a value is written to: it has a name before it, or a list around it, or nothing. */
interface Slot {
    /** Called before each value. */
    void begin();
}
