// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * A source of examples as a run's configuration names it, and how its rows are read. {@code chorale-defaults.conf}
 * explains the keys.
 *
 * @param path a file of rows, a glob of such files, a folder of texts or of a data set; empty where there is no source
 * @param format what the rows say
 * @param columns which column is which field of the format, where their names differ
 * @param subset of a data set's folder; where it is empty, the default one
 * @param split of a data set's folder; where it is empty, the only one
 */
public record SourceConfig(
        Optional<Path> path,
        RowFormat format,
        Map<String, String> columns,
        Optional<String> subset,
        Optional<String> split) {
    /** What a source may be, for messages. */
    public static final String KINDS = "a file of rows, a glob of such files, or a folder";

    public SourceConfig {
        columns = Map.copyOf(columns);
        List<String> problems = new ArrayList<>();
        Set<String> taken = new HashSet<>();
        columns.forEach((field, column) -> {
            if (!RowFields.ALL.contains(field)) {
                problems.add("columns.%s = %s: there is no field %s; must be one of %s"
                        .formatted(field, column, field, String.join(", ", RowFields.ALL)));
            }
            if (!taken.add(column)) {
                problems.add("columns.%s = %s: the column is another field already; must be one field's"
                        .formatted(field, column));
            }
        });
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("\n", problems));
        }
    }

    /** Whether a path that is no file itself may stand for files all the same. */
    public static boolean isGlob(Path path) {
        return FileGlob.isGlob(path.toString());
    }

    /** A source whose rows say themselves what they are. */
    public static SourceConfig of(Path path) {
        return new SourceConfig(Optional.of(path), RowFormat.AUTO, Map.of(), Optional.empty(), Optional.empty());
    }
}
