// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import org.chorale.data.order.Weights;
import org.chorale.data.order.WhenExhausted;
import org.chorale.data.source.RowFormat;
import org.chorale.data.source.SourceConfig;

/**
 * Training examples: {@code data.train}.
 *
 * @param path the only source, where nothing is to be said of it but where it is
 * @param format what the rows at the path say
 * @param columns which of their columns is which field of the format
 * @param subset of a data set's folder at the path
 * @param split of it
 * @param sources in the place of a path
 * @param mix how the sources become one order
 * @param exhausted when an epoch of a weighted mix ends; where it is empty, {@link WhenExhausted#REPEAT}
 */
public record TrainConfig(
        Optional<Path> path,
        RowFormat format,
        Map<String, String> columns,
        Optional<String> subset,
        Optional<String> split,
        List<SourceEntry> sources,
        Mix mix,
        Optional<WhenExhausted> exhausted) {
    /** More would rather be files of one source. */
    static final int MAX_SOURCES = 256;

    private static final String KEY = "data.train";

    private static final SourceConfig NOTHING_SAID =
            new SourceConfig(Optional.empty(), RowFormat.AUTO, Map.of(), Optional.empty(), Optional.empty());

    /** How several sources become one order: {@code data.train.mix}. */
    public enum Mix {
        /** All examples of all sources are permuted together. */
        CONCATENATE,
        /** The sources take turns by their weights. */
        WEIGHTED
    }

    public TrainConfig {
        columns = Map.copyOf(columns);
        sources = List.copyOf(sources);
        List<String> problems = new ArrayList<>(problems(KEY, path, sources));
        problems.addAll(problemsOfReading(KEY, path, format, columns, subset, split));
        if (mix == Mix.WEIGHTED) {
            collectProblemsOfMix(problems, sources);
        } else {
            for (int i = 0; i < sources.size(); i++) {
                String key = KEY + ".sources[" + i + "].weight = ";
                sources.get(i)
                        .weight()
                        .ifPresent(weight ->
                                problems.add(key + weight + ": is only read where data.train.mix = weighted"));
            }
            exhausted.ifPresent(
                    given -> problems.add("data.train.exhausted: is only read where data.train.mix = weighted"));
        }
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("\n", problems));
        }
    }

    /** How the rows at the path are read. */
    SourceConfig reading() {
        return new SourceConfig(path, format, columns, subset, split);
    }

    /** Whether nothing says where examples are. */
    public boolean isEmpty() {
        return path.isEmpty() && sources.isEmpty();
    }

    /** The whole numbers in whose ratio the sources are mixed. */
    public int[] parts() {
        return Weights.parts(weights(sources));
    }

    /** What is wrong with the sources of a section, a line each. */
    static List<String> problems(String key, Optional<Path> path, List<SourceEntry> sources) {
        List<String> problems = new ArrayList<>();
        if (path.isPresent() && !sources.isEmpty()) {
            problems.add("%s.path = %s with %s.sources: give one of them".formatted(key, path.get(), key));
        }
        if (sources.size() > MAX_SOURCES) {
            problems.add(
                    "%s.sources: has %d entries; must have at most %d".formatted(key, sources.size(), MAX_SOURCES));
        }
        IntStream.range(0, sources.size())
                .mapToObj(i -> sources.get(i).problems("%s.sources[%d]".formatted(key, i)))
                .forEach(problems::addAll);
        return problems;
    }

    /** What is wrong with how the rows at a section's path are read, a line each. */
    static List<String> problemsOfReading(
            String key,
            Optional<Path> path,
            RowFormat format,
            Map<String, String> columns,
            Optional<String> subset,
            Optional<String> split) {
        List<String> problems = new ArrayList<>();
        try {
            SourceConfig reading = new SourceConfig(path, format, columns, subset, split);
            if (path.isEmpty() && !reading.equals(NOTHING_SAID)) {
                problems.add(
                        "%s.format, columns, subset and split: are only read where %s.path is set; each of %s.sources has its own"
                                .formatted(key, key, key));
            }
        } catch (IllegalArgumentException e) {
            String.valueOf(e.getMessage()).lines().forEach(line -> problems.add(key + "." + line));
        }
        return problems;
    }

    private static void collectProblemsOfMix(List<String> problems, List<SourceEntry> sources) {
        if (sources.isEmpty()) {
            problems.add("data.train.mix = weighted: needs data.train.sources");
            return;
        }
        try {
            int[] unused = Weights.parts(weights(sources));
        } catch (IllegalArgumentException e) {
            problems.add("data.train.sources: weight " + e.getMessage());
        }
    }

    private static List<Double> weights(List<SourceEntry> sources) {
        return sources.stream().map(source -> source.weight().orElse(1.0)).toList();
    }
}
