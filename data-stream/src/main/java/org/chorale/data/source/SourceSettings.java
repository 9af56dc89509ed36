// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import java.nio.ByteBuffer;
import java.nio.file.Path;

/**
 * A source of examples as the run's configuration names it.
 *
 * @param key of the configuration that gives the path, for messages
 * @param path a {@code .jsonl} file, or a folder of text files
 * @param malformedRows what becomes of rows that cannot be used
 * @param sequenceTokens longest sequence, which text is cut to
 * @param numbers the fields of rows that are numbers and not text
 */
public record SourceSettings(
        String key, Path path, MalformedRows malformedRows, int sequenceTokens, NumberFields numbers) {
    /** Rows are texts, or token ids. */
    public SourceSettings(String key, Path path, MalformedRows malformedRows, int sequenceTokens) {
        this(key, path, malformedRows, sequenceTokens, NumberFields.NONE);
    }

    /** The example in a row of a {@code .jsonl} file, without its line end. */
    Example parse(ByteBuffer row) throws MalformedRowException {
        return numbers.areUsed() ? numbers.parse(row) : JsonlRow.parse(row);
    }
}
