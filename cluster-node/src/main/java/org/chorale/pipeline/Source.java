// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.pipeline;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.chorale.data.source.RowFormat;

/**
 * One of several sources of examples, as an entry of {@code data.train.sources} has it; README explains them. A row goes
 * through filter, transforms, map and select, in this order. Each method gives a new one.
 */
public final class Source {
    private final Map<String, Object> values;

    private Source(Map<String, Object> values) {
        this.values = values;
    }

    /** A file of rows, a glob of such files, a data set's folder, or a folder of texts. */
    public static Source of(Path path) {
        return new Source(Map.of("path", path.toString()));
    }

    /** Its share of a mix is this over the sum of all; 1 where none is given. */
    public Source weight(double weight) {
        return with("weight", weight);
    }

    /** What its rows say, where each does not say it itself. */
    public Source format(RowFormat format) {
        return with("format", format.word());
    }

    /** Which of its columns is which field of the format. */
    public Source columns(Map<String, String> columns) {
        return with("columns", Map.copyOf(columns));
    }

    /** A part of a data set's folder. */
    public Source subset(String name) {
        return with("subset", name);
    }

    /** A split of a data set's folder, such as train. */
    public Source split(String name) {
        return with("split", name);
    }

    /** A CEL expression over a row's columns that is true for the rows to keep. */
    public Source filter(String expression) {
        return with("filter", expression);
    }

    /** Adds a {@code RowFilter} or {@code RowMap} that its constructor needs nothing to tell. */
    public Source transform(Class<?> type) {
        return transform(type, ConfigFactory.empty());
    }

    /**
     * Adds a {@code RowFilter} or {@code RowMap}, which stands on the class path of every node that trains.
     *
     * @param config what its constructor takes
     */
    public Source transform(Class<?> type, Config config) {
        List<Object> transforms = new ArrayList<>((List<?>) values.getOrDefault("transform", List.of()));
        transforms.add(Map.of("type", type.getName(), "config", config.root()));
        return with("transform", transforms);
    }

    /** Sets a column to what a CEL expression over the others gives. */
    public Source map(String column, String expression) {
        Map<Object, Object> columns = new LinkedHashMap<>((Map<?, ?>) values.getOrDefault("map", Map.of()));
        columns.put(column, expression);
        return with("map", columns);
    }

    /** Keeps only these columns. */
    public Source select(String... columns) {
        return with("select", Arrays.asList(columns));
    }

    Map<String, Object> values() {
        return values;
    }

    private Source with(String key, Object value) {
        Map<String, Object> more = new LinkedHashMap<>(values);
        more.put(key, value);
        return new Source(more);
    }
}
