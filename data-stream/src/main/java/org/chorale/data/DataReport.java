// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.LongToIntFunction;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.chorale.data.example.TokenizedExample;
import org.chorale.data.measure.Totals;

/**
 * What a run's training data amounts to, for people.
 *
 * @param examples how many there are
 * @param rowsSkipped rows that were left out
 * @param epochSteps steps of the first epoch
 * @param tokens empty where nothing was tokenized
 */
record DataReport(long examples, long rowsSkipped, long epochSteps, Optional<TokenFigures> tokens) {
    /** Steps that padding is looked at in. */
    private static final int PADDED_STEPS = 256;

    /** Examples that are tokenized for a report where not all were. */
    private static final int SAMPLED_EXAMPLES = 2000;

    private static final double[] SHARES = {0.1, 0.5, 0.9, 1};

    /**
     * Figures over examples.
     *
     * @param examples that were looked at
     * @param lengths tokens that a tenth, half, nine tenths and all of the examples have at most
     * @param padding share of the tokens of batches that only fills rows up
     */
    record TokenFigures(long examples, Totals totals, List<Integer> lengths, double padding) {}

    /** What is known without reading a row. */
    static DataReport known(RunData data) {
        Corpus train = data.train();
        return report(
                data,
                train.totals()
                        .map(totals -> new TokenFigures(
                                train.count(),
                                totals,
                                percentiles(
                                        LongStream.range(0, train.count()).mapToInt(train::tokens), totals.longest()),
                                padding(data, PADDED_STEPS, train::tokens))));
    }

    /** As {@link #known}; where nothing was tokenized yet, a few of the first examples are. Numbers are no tokens. */
    static DataReport sampled(RunData data) {
        if (data.train().totals().isPresent()
                || data.settings().data().numberFields().areUsed()) {
            return known(data);
        }
        Map<Long, Integer> lengths = new HashMap<>();
        Totals totals = Totals.NONE;
        long steps = 0;
        while (steps < data.order().stepsOf(0) && lengths.size() < SAMPLED_EXAMPLES) {
            for (long example : data.order().step(++steps, 0, 1).examples()) {
                TokenizedExample tokens = data.train().read(example);
                lengths.put(example, tokens.longest().tokens().length);
                totals = totals.plus(tokens);
            }
        }
        return report(
                data,
                Optional.of(new TokenFigures(
                        lengths.size(),
                        totals,
                        percentiles(lengths.values().stream().mapToInt(length -> length), totals.longest()),
                        padding(data, steps, lengths::get))));
    }

    /** A line per fact. */
    List<String> lines() {
        List<String> lines = new ArrayList<>();
        lines.add(line(
                "training data",
                "%,d examples, %,d rows left out, %,d steps an epoch",
                examples,
                rowsSkipped,
                epochSteps));
        tokens.ifPresent(figures -> addLines(figures, lines));
        return lines;
    }

    private void addLines(TokenFigures figures, List<String> lines) {
        Totals totals = figures.totals();
        String of = figures.examples() < examples
                ? String.format(Locale.ROOT, " (of the first %,d examples)", figures.examples())
                : "";
        double trained = 100.0 * totals.trainedTokens() / Math.max(1, totals.tokens());
        lines.add(line(
                "tokens",
                "%,d, %,d of them trained (%.1f %%)%s",
                totals.tokens(),
                totals.trainedTokens(),
                trained,
                of));
        List<Integer> lengths = figures.lengths();
        lines.add(line(
                "lengths", "10 %% up to %,d, half up to %,d, 90 %% up to %,d, longest %,d tokens", lengths.toArray()));
        if (totals.cutExamples() > 0) {
            lines.add(line("cut", "%,d examples, at least %,d tokens", totals.cutExamples(), totals.tokensCut()));
        }
        if (totals.splitRows() > 0) {
            lines.add(line("split", "%,d rows", totals.splitRows()));
        }
        if (totals.untrainedExamples() > 0) {
            lines.add(line("nothing to train", "%,d examples", totals.untrainedExamples()));
        }
        lines.add(line("padding", "%.1f %% of the batches", 100 * figures.padding()));
    }

    private static String line(String name, String format, Object... values) {
        return String.format(Locale.ROOT, "%-17s " + format, concat(name, values));
    }

    private static Object[] concat(String name, Object[] values) {
        Object[] all = new Object[values.length + 1];
        all[0] = name;
        System.arraycopy(values, 0, all, 1, values.length);
        return all;
    }

    private static DataReport report(RunData data, Optional<TokenFigures> tokens) {
        return new DataReport(
                data.train().count(), data.train().rowsSkipped(), data.order().stepsOf(0), tokens);
    }

    private static List<Integer> percentiles(IntStream lengths, int longest) {
        long[] counts = new long[longest + 1];
        lengths.forEach(length -> counts[length]++);
        long all = LongStream.of(counts).sum();
        List<Integer> percentiles = new ArrayList<>();
        long seen = 0;
        int length = -1;
        for (double share : SHARES) {
            while (seen < share * all) {
                seen += counts[++length];
            }
            percentiles.add(Math.max(0, length));
        }
        return percentiles;
    }

    /** Every micro-batch is as wide as its longest sequence. */
    static double padding(RunData data, long maxSteps, LongToIntFunction tokens) {
        int microBatch = data.settings().data().microBatch();
        long filled = 0;
        long all = 0;
        for (long step = 1; step <= Math.min(maxSteps, data.order().stepsOf(0)); step++) {
            long[][] sequences = data.order().step(step, 0, 1).sequences();
            for (int from = 0; from < sequences.length; from += microBatch) {
                int[] lengths = Arrays.stream(sequences, from, Math.min(sequences.length, from + microBatch))
                        .mapToInt(sequence ->
                                LongStream.of(sequence).mapToInt(tokens).sum())
                        .toArray();
                filled += IntStream.of(lengths).sum();
                all += (long) lengths.length * IntStream.of(lengths).max().orElse(0);
            }
        }
        return all == 0 ? 0 : 1 - (double) filled / all;
    }
}
