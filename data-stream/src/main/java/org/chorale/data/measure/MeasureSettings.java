// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.measure;

import java.nio.file.Path;
import org.chorale.data.order.RowSubset;
import org.chorale.data.source.MalformedRows;

/**
 * How the rows of a source become examples.
 *
 * @param key of the configuration that gives the path, for messages
 * @param path of the source
 * @param rows which of its rows are examples
 * @param malformedRows what becomes of rows that cannot be used
 * @param truncation what becomes of rows that are too long
 * @param sequenceTokens longest sequence
 */
public record MeasureSettings(
        String key,
        Path path,
        RowSubset rows,
        MalformedRows malformedRows,
        Truncation truncation,
        int sequenceTokens) {}
