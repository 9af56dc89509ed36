// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.chorale.data.order.Weights;
import org.chorale.data.order.WhenExhausted;

/**
 * Training examples: {@code data.train}.
 *
 * @param path the only source, where nothing is to be said of it but where it is
 * @param sources in the place of a path
 * @param mix how the sources become one order
 * @param exhausted when an epoch of a weighted mix ends; where it is empty, {@link WhenExhausted#REPEAT}
 */
public record TrainConfig(Optional<Path> path, List<SourceEntry> sources, Mix mix, Optional<WhenExhausted> exhausted) {
    /** More would rather be files of one source. */
    static final int MAX_SOURCES = 256;

    private static final String KEY = "data.train";

    /** How several sources become one order: {@code data.train.mix}. */
    public enum Mix {
        /** All examples of all sources are permuted together. */
        CONCATENATE,
        /** The sources take turns by their weights. */
        WEIGHTED
    }

    public TrainConfig {
        sources = List.copyOf(sources);
        List<String> problems = new ArrayList<>(problems(KEY, path, sources));
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
