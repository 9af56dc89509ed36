// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.row;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A user's class that makes another row of each, named in {@code transform} of a source. It has a public constructor from
 * a {@link com.typesafe.config.Config}, is called from many threads at once, and makes the same of the same row always: a
 * row is read again in every epoch.
 */
@FunctionalInterface
public interface RowMap {
    /**
     * The row that takes the place of this one. An exception makes the row malformed.
     *
     * @param row columns by name, as {@link RowFilter} gets them; not to be changed
     */
    Map<String, @Nullable Object> map(Map<String, @Nullable Object> row);
}
