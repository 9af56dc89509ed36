// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.pipeline;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.chorale.data.disk.DurableFile;
import org.chorale.data.order.WhenExhausted;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/** What a model is trained on. Each method gives a new one. */
public final class Data {
    private static final String TRAIN = "data.train.path";
    private static final String SOURCES = "data.train.sources";
    private static final String NUMBERS = "data.numbers";

    private final Keys keys;
    private final Optional<String> rows; // lines of JSON, to be written into the run directory

    private Data(Keys keys, Optional<String> rows) {
        this.keys = keys;
        this.rows = rows;
    }

    /** A file of rows, a glob of such files, a data set's folder, or a folder of texts: all that {@code data.train.path} may be. */
    public static Data path(Path path) {
        return new Data(Keys.NONE.with(TRAIN, path), Optional.empty());
    }

    /** The examples of all sources, in an order of their own. */
    public static Data concatenated(Source... sources) {
        return new Data(Keys.NONE.with(SOURCES, values(sources)), Optional.empty());
    }

    /** The sources take turns by their weights. */
    public static Data mixed(Source... sources) {
        return concatenated(sources).with("data.train.mix", "weighted");
    }

    /** A .jsonl file whose rows have text, prompt and completion, messages, or input_ids. */
    public static Data jsonl(Path file) {
        return path(file);
    }

    /** A folder of text files. */
    public static Data texts(Path folder) {
        return path(folder);
    }

    /**
     * Token ids, a row per example. They are written into the run directory when the run begins, so that it can go on
     * from there.
     */
    public static Data of(Iterable<long[]> rows) {
        StringBuilder lines = new StringBuilder();
        rows.forEach(row -> lines.append("{\"input_ids\":")
                .append(Arrays.toString(row).replace(" ", ""))
                .append("}\n"));
        return new Data(Keys.NONE, Optional.of(lines.toString()));
    }

    /**
     * A .jsonl file whose rows have numbers in the place of text, each field as many as it is said to have here. A pipeline
     * begins with an fp32 tensor [B, N] for each.
     */
    public static Data numbers(Path file, Map<String, Integer> fields) {
        return jsonl(file).with(NUMBERS, fields);
    }

    /**
     * Numbers, a row per example, of one field. They are written into the run directory when the run begins, so that it can
     * go on from there.
     *
     * @param width how many each row has
     */
    public static Data ofNumbers(String field, int width, Iterable<float[]> rows) {
        StringBuilder lines = new StringBuilder();
        rows.forEach(row -> lines.append("{\"%s\":".formatted(field))
                .append(Arrays.toString(row).replace(" ", ""))
                .append("}\n"));
        return new Data(Keys.NONE.with(NUMBERS, Map.of(field, width)), Optional.of(lines.toString()));
    }

    /** A folder with tokenizer.json, or the file itself; the model's own where none is given. */
    public Data tokenizer(Path tokenizer) {
        return with("data.tokenizer.path", tokenizer);
    }

    /** Held-out examples, in the same formats. */
    public Data eval(Path heldOut) {
        return with("data.eval.path", heldOut);
    }

    /** Held-out examples of several sources, one behind the other. */
    public Data eval(Source... heldOut) {
        return with("data.eval.sources", values(heldOut));
    }

    /** Holds out a share of the training rows, of each source its own. */
    public Data evalShare(double share) {
        return with("data.eval.share", share);
    }

    /** Holds out so many of the training rows. */
    public Data evalRows(long rows) {
        return with("data.eval.rows", rows);
    }

    /** When an epoch of {@link #mixed} sources ends; once all have been seen where this is not given. */
    public Data exhausted(WhenExhausted end) {
        return with("data.train.exhausted", end.name().toLowerCase(Locale.ROOT));
    }

    /** Sequences per optimizer step, all in one forward pass. */
    public Data batchSize(int sequences) {
        return with("data.global-batch", sequences).with("data.micro-batch", sequences);
    }

    /** Sequences per forward pass, whose gradients are added up over the batch. */
    public Data microBatch(int sequences) {
        return with("data.micro-batch", sequences);
    }

    /** Longest sequence. */
    public Data sequenceTokens(int tokens) {
        return with("data.sequence-tokens", tokens);
    }

    /** Whether several examples share a sequence. */
    public Data packing(boolean packing) {
        return with("data.packing", packing);
    }

    Keys keys(Path runDirectory) {
        return rows.isPresent() ? keys.with(TRAIN, rowsFile(runDirectory)) : keys;
    }

    /**
     * Writes the rows, unless they are there already.
     *
     * @throws FaultException RUN_DIRECTORY_TAKEN where other rows are: a run needs the ones that it began with
     */
    void write(Path runDirectory) {
        if (rows.isEmpty()) {
            return;
        }
        byte[] lines = rows.get().getBytes(StandardCharsets.UTF_8);
        Path file = rowsFile(runDirectory);
        try {
            if (Files.exists(file)) {
                requireSame(file, lines);
                return;
            }
            Files.createDirectories(file.resolveSibling(""));
            try (DurableFile durable = DurableFile.begin(file)) {
                durable.out().write(lines);
                durable.commit();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(file + ": could not be written: " + e, e);
        }
    }

    private static void requireSame(Path file, byte[] lines) throws IOException {
        if (!Arrays.equals(Files.readAllBytes(file), lines)) {
            throw new FaultException(
                    FaultCode.RUN_DIRECTORY_TAKEN,
                    file + " holds the rows of another run: give the rows that it began with, or another outputDir");
        }
    }

    private static List<Map<String, Object>> values(Source... sources) {
        return Arrays.stream(sources).map(Source::values).toList();
    }

    private static Path rowsFile(Path runDirectory) {
        return runDirectory.resolve("data").resolve("rows.jsonl");
    }

    private Data with(String key, Object value) {
        return new Data(keys.with(key, value), rows);
    }
}
