// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.row;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A user's class that keeps or leaves out rows, named in {@code transform} of a source. It has a public constructor from
 * a {@link com.typesafe.config.Config}, is called from many threads at once, and gives the same verdict on the same row
 * always: verdicts are kept beside the data, and made anew when the class file changes.
 */
@FunctionalInterface
public interface RowFilter {
    /**
     * Whether a row is kept. An exception makes the row malformed.
     *
     * @param row columns by name: texts, Long, Double, BigInteger, Boolean, lists and maps of these, or null; not to be
     *     changed
     */
    boolean keeps(Map<String, @Nullable Object> row);
}
