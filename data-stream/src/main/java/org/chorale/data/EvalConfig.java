// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.chorale.data.source.RowFormat;
import org.chorale.data.source.SourceConfig;

/**
 * Held-out examples: {@code data.eval}. They are in files of their own, or rows of the training sources that are not
 * trained.
 *
 * @param path the only source of their own
 * @param format what the rows at the path say
 * @param columns which of their columns is which field of the format
 * @param subset of a data set's folder at the path
 * @param split of it
 * @param sources several, one behind the other
 * @param share of the training rows that are held out
 * @param rows how many of the training rows are held out
 */
public record EvalConfig(
        Optional<Path> path,
        RowFormat format,
        Map<String, String> columns,
        Optional<String> subset,
        Optional<String> split,
        List<SourceEntry> sources,
        Optional<Double> share,
        Optional<Long> rows) {
    private static final String KEY = "data.eval";

    public EvalConfig {
        columns = Map.copyOf(columns);
        sources = List.copyOf(sources);
        List<String> problems = new ArrayList<>(TrainConfig.problems(KEY, path, sources));
        problems.addAll(TrainConfig.problemsOfReading(KEY, path, format, columns, subset, split));
        for (int i = 0; i < sources.size(); i++) {
            String key = "%s.sources[%d].weight = ".formatted(KEY, i);
            sources.get(i)
                    .weight()
                    .ifPresent(weight -> problems.add(
                            key + weight + ": held-out examples are not mixed, each is seen once; leave it out"));
        }
        share.filter(part -> !(part > 0 && part < 1))
                .ifPresent(part -> problems.add("data.eval.share = " + part + ": must be above 0 and below 1"));
        rows.filter(count -> count < 1)
                .ifPresent(count -> problems.add("data.eval.rows = " + count + ": must be at least 1"));
        List<String> given = Stream.of(
                        path.map(file -> "data.eval.path = " + file),
                        sources.isEmpty() ? Optional.<String>empty() : Optional.of("data.eval.sources"),
                        share.map(part -> "data.eval.share = " + part),
                        rows.map(count -> "data.eval.rows = " + count))
                .flatMap(Optional::stream)
                .toList();
        if (given.size() > 1 && (path.isEmpty() || sources.isEmpty() || given.size() > 2)) {
            problems.add(given.stream().collect(Collectors.joining(" with ")) + ": give one of them");
        }
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("\n", problems));
        }
    }

    /** How the rows at the path are read. */
    SourceConfig reading() {
        return new SourceConfig(path, format, columns, subset, split);
    }

    /** Whether rows of the training sources are held out. */
    public boolean splits() {
        return share.isPresent() || rows.isPresent();
    }

    /** Whether held-out examples have sources of their own. */
    public boolean hasSources() {
        return path.isPresent() || !sources.isEmpty();
    }
}
