// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.chorale.data.row.RowClass;
import org.chorale.data.row.RowStepsConfig;
import org.chorale.data.source.RowFormat;
import org.chorale.data.source.SourceConfig;

/**
 * One of several sources: an entry of {@code data.train.sources} or {@code data.eval.sources}.
 *
 * @param path a file or folder
 * @param weight its share of a mix is this over the sum; where it is empty, 1
 * @param format what the rows say; where it is empty, each says it itself
 * @param columns which column is which field of the format
 * @param subset of a data set's folder
 * @param split of a data set's folder
 * @param filter an expression that is true for the rows to keep
 * @param transform users' classes that filter or change rows
 * @param map columns that expressions set
 * @param select the columns to keep
 */
public record SourceEntry(
        Path path,
        Optional<Double> weight,
        Optional<RowFormat> format,
        Optional<Map<String, String>> columns,
        Optional<String> subset,
        Optional<String> split,
        Optional<String> filter,
        Optional<List<RowClass>> transform,
        Optional<Map<String, String>> map,
        Optional<List<String>> select) {
    /** A path, and how its rows are read. */
    static SourceEntry of(Path path, SourceConfig reading) {
        return new SourceEntry(
                path,
                Optional.empty(),
                Optional.of(reading.format()),
                Optional.of(reading.columns()),
                reading.subset(),
                reading.split(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty());
    }

    /** How its rows are read. */
    public SourceConfig reading() {
        return new SourceConfig(
                Optional.of(path), format.orElse(RowFormat.AUTO), columns.orElse(Map.of()), subset, split);
    }

    /** What is done with each row. */
    public RowStepsConfig steps() {
        return new RowStepsConfig(filter, transform.orElse(List.of()), map.orElse(Map.of()), select.orElse(List.of()));
    }

    /** What is wrong with it, a line each, but for users' classes, which need to be where the data is read. */
    List<String> problems(String key) {
        List<String> problems = new ArrayList<>();
        if (path.toString().isBlank()) {
            problems.add(key + ".path is empty: give a path");
        }
        try {
            SourceConfig unused = reading();
        } catch (IllegalArgumentException e) {
            String.valueOf(e.getMessage()).lines().forEach(line -> problems.add(key + "." + line));
        }
        problems.addAll(steps().problems(key));
        return problems;
    }
}
