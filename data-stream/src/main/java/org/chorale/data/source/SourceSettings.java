// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import java.nio.file.Path;
import org.chorale.data.row.RowSteps;

/**
 * A source of examples as the run's configuration names it.
 *
 * @param key of the configuration that gives the path, for messages
 * @param path a {@code .jsonl} file, or a folder of text files
 * @param malformedRows what becomes of rows that cannot be used
 * @param sequenceTokens longest sequence, which text is cut to
 * @param steps what is done with each row
 */
public record SourceSettings(String key, Path path, MalformedRows malformedRows, int sequenceTokens, RowSteps steps) {
    /** A source whose rows stay as they are. */
    public SourceSettings(String key, Path path, MalformedRows malformedRows, int sequenceTokens) {
        this(key, path, malformedRows, sequenceTokens, RowSteps.NONE);
    }
}
