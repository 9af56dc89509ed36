// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import java.util.Arrays;

/** What a file of a source holds, by the ending of its name without that of an archive. */
enum FileKind {
    /** A row per line, as an object. */
    JSONL(".jsonl"),
    /** A list of objects, or objects one after the other. */
    JSON(".json"),
    CSV(".csv"),
    TSV(".tsv"),
    PARQUET(".parquet"),
    /** Arrow's IPC format, a file or a stream. */
    ARROW(".arrow"),
    TEXT("");

    /** The endings of files of rows. */
    static final String ROWS = ".jsonl, .json, .csv, .tsv, .parquet or .arrow";

    private final String ending;

    FileKind(String ending) {
        this.ending = ending;
    }

    static FileKind of(String name) {
        String plain = ExpandedFiles.plainName(name);
        return Arrays.stream(values())
                .filter(kind -> plain.endsWith(kind.ending))
                .findFirst()
                .orElse(TEXT);
    }

    boolean hasRows() {
        return this != TEXT;
    }

    /** Whether its rows are converted to lines of JSON before they are read. */
    boolean isTable() {
        return this != TEXT && this != JSONL;
    }
}
