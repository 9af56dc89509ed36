// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.chorale.data.example.TrainOn;
import org.chorale.data.generate.GenerateConfig;
import org.chorale.data.measure.Truncation;
import org.chorale.data.source.MalformedRows;

/**
 * What a run reads and how it makes batches of it: {@code data} of the run's configuration, whose keys
 * {@code chorale-defaults.conf} explains.
 *
 * @param train training examples; without a source, {@code generate} makes them
 * @param eval held-out examples; where it says nothing, those that {@code generate} makes, if it makes any
 * @param tokenizer without a path, the model's folder
 * @param globalBatch sequences per optimizer step over all workers
 * @param microBatch sequences per forward pass of one worker
 * @param sequenceTokens longest sequence
 * @param truncation what becomes of examples that are longer
 * @param packing whether a sequence is made of several examples
 * @param groupByLength whether a step's sequences are of like length
 * @param window positions inside which examples are packed or grouped
 * @param chat how conversations become text
 * @param malformedRows what becomes of rows that cannot be used
 * @param prefetchBatches global batches that are made ahead of a worker
 * @param generate data that a recipe makes by itself
 */
public record DataConfig(
        TrainConfig train,
        EvalConfig eval,
        Location tokenizer,
        int globalBatch,
        int microBatch,
        int sequenceTokens,
        Truncation truncation,
        boolean packing,
        boolean groupByLength,
        int window,
        Chat chat,
        MalformedRows malformedRows,
        int prefetchBatches,
        GenerateConfig generate) {
    private static final int MAX_SEQUENCES = 1 << 20;
    private static final int MAX_SEQUENCE_TOKENS = 1 << 20;

    /** Of a padded micro-batch: packed, with four columns and samples, it takes 40 MiB of a frame's 64 then. */
    static final int MAX_MICRO_BATCH_TOKENS = 1 << 20;

    private static final int MAX_PREFETCH = 1 << 10;
    private static final int MAX_WINDOW = 1 << 20;

    /** An object with a path that may be left out. */
    public record Location(Optional<Path> path) {}

    /**
     * How conversations become text.
     *
     * @param template a file; where it is empty, the tokenizer's own
     * @param trainOn which part is trained
     */
    public record Chat(Optional<Path> template, TrainOn trainOn) {}

    public DataConfig {
        List<String> problems = new ArrayList<>();
        checkRange(problems, "global-batch", globalBatch, 1, MAX_SEQUENCES);
        checkRange(problems, "micro-batch", microBatch, 1, MAX_SEQUENCES);
        checkRange(problems, "sequence-tokens", sequenceTokens, 2, MAX_SEQUENCE_TOKENS);
        checkRange(problems, "prefetch-batches", prefetchBatches, 1, MAX_PREFETCH);
        checkRange(problems, "window", window, 1, MAX_WINDOW);
        if (packing && groupByLength) {
            problems.add(
                    "data.packing = true with data.group-by-length = true: only one of them can order the examples;"
                            + " packing leaves hardly any padding to save");
        }
        if ((long) microBatch * sequenceTokens > MAX_MICRO_BATCH_TOKENS) {
            problems.add("data.micro-batch = %d with data.sequence-tokens = %d: their product must be at most %d"
                    .formatted(microBatch, sequenceTokens, MAX_MICRO_BATCH_TOKENS));
        }
        if (train.isEmpty() && generate.task().isEmpty()) {
            problems.add("data.train.path is not set: give a file of rows or a folder, or let"
                    + " data.generate.task = reverse-words make examples");
        } else if (train.isEmpty() && eval.splits()) {
            problems.add(
                    "data.eval.share or data.eval.rows with data.generate.task: generated data has held-out pairs of"
                            + " its own, data.generate.held-out-rows; leave it out");
        }
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("\n", problems));
        }
    }

    /** Users' classes that rows shall go through but that cannot be made here, a line each. */
    public List<String> classProblems() {
        return Stream.concat(
                        NamedSource.of(NamedSource.TRAIN, train.reading(), train.sources()).stream(),
                        NamedSource.of(NamedSource.EVAL, eval.reading(), eval.sources()).stream())
                .flatMap(source -> source.entry().steps().classProblems(source.key()).stream())
                .toList();
    }

    private static void checkRange(List<String> problems, String key, int value, int min, int max) {
        if (value < min || value > max) {
            problems.add("data.%s = %d: must be %d to %d".formatted(key, value, min, max));
        }
    }
}
