// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.chorale.data.example.TrainOn;
import org.chorale.data.generate.GenerateConfig;
import org.chorale.data.measure.Truncation;
import org.chorale.data.source.MalformedRows;
import org.chorale.data.source.NumberFields;
import org.chorale.data.source.RowFormat;

/**
 * What a run reads and how it makes batches of it: {@code data} of the run's configuration, whose keys
 * {@code chorale-defaults.conf} explains.
 *
 * @param train training examples; without a source, {@code generate} makes them
 * @param eval held-out examples; where it says nothing, those that {@code generate} makes, if it makes any
 * @param numbers fields of rows that are numbers, with how many each has; empty where rows are texts
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
        Map<String, Integer> numbers,
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
        if (numbers.isEmpty() && (long) microBatch * sequenceTokens > MAX_MICRO_BATCH_TOKENS) {
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
        if (!numbers.isEmpty()) {
            checkNumbers(problems, numbers, microBatch);
            refuseWithNumbers(problems, "train.format", train.format() != RowFormat.AUTO);
            refuseWithNumbers(problems, "eval.format", eval.format() != RowFormat.AUTO);
            refuseWithNumbers(problems, "chat.template", chat.template().isPresent());
            refuseWithNumbers(problems, "chat.train-on", chat.trainOn() != TrainOn.ASSISTANT);
            refuseWithNumbers(problems, "generate.task", generate.task().isPresent());
            refuseWithNumbers(problems, "group-by-length", groupByLength);
            refuseWithNumbers(problems, "packing", packing);
            refuseWithNumbers(problems, "tokenizer.path", tokenizer.path().isPresent());
            refuseWithNumbers(problems, "truncation", truncation != Truncation.CUT);
        }
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("\n", problems));
        }
    }

    /** The fields of rows that are numbers. */
    public NumberFields numberFields() {
        return new NumberFields(numbers);
    }

    private static void checkNumbers(List<String> problems, Map<String, Integer> numbers, int microBatch) {
        problems.addAll(NumberFields.problems(numbers));
        long count = new NumberFields(numbers).count();
        if (count * microBatch > MAX_MICRO_BATCH_TOKENS) {
            problems.add("data.micro-batch = %d with %d numbers a row (data.numbers): their product must be at most %d"
                    .formatted(microBatch, count, MAX_MICRO_BATCH_TOKENS));
        }
    }

    /** Numbers are not cut, packed, tokenized or rendered; whoever asks for that means something else. */
    private static void refuseWithNumbers(List<String> problems, String key, boolean isSet) {
        if (isSet) {
            problems.add("data.%s needs rows of text; with data.numbers it must not be set".formatted(key));
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
