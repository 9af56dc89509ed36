// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import java.nio.file.Path;
import org.chorale.data.row.RowSteps;

/**
 * A source of examples as the run's configuration names it.
 *
 * @param key of the configuration that gives the path, for messages
 * @param path a file of rows, a folder or a glob
 * @param reading how its rows are read
 * @param malformedRows what becomes of rows that cannot be used
 * @param sequenceTokens longest sequence, which text is cut to
 * @param steps what is done with each row
 * @param numbers the fields of rows that are numbers and not text
 */
public record SourceSettings(
        String key,
        Path path,
        SourceConfig reading,
        MalformedRows malformedRows,
        int sequenceTokens,
        RowSteps steps,
        NumberFields numbers) {
    /** A source whose rows say themselves what they are. */
    public SourceSettings(String key, Path path, MalformedRows malformedRows, int sequenceTokens) {
        this(key, path, SourceConfig.of(path), malformedRows, sequenceTokens, RowSteps.NONE, NumberFields.NONE);
    }

    /** A source whose rows stay as they are. */
    public SourceSettings(
            String key, Path path, SourceConfig reading, MalformedRows malformedRows, int sequenceTokens) {
        this(key, path, reading, malformedRows, sequenceTokens, RowSteps.NONE, NumberFields.NONE);
    }

    /** The key beside the path that has this name. */
    String key(String name) {
        return key.substring(0, key.lastIndexOf('.') + 1) + name;
    }
}
