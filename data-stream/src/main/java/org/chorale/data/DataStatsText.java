// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import org.chorale.data.measure.Totals;
import org.chorale.data.source.SkippedRows;
import org.chorale.data.stats.LengthFigures;

/** Figures of a run's data as people and programs read them. */
public record DataStatsText(DataStats stats) {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int BAR_CHARACTERS = 40;

    /** A line per fact, source by source, and then of all. */
    public List<String> lines() {
        List<String> lines = new ArrayList<>();
        stats.sources().forEach(source -> addSource(source, lines));
        lines.add("all");
        lines.add(fact("epoch", "%,d examples, %,d steps", stats.epochExamples(), stats.epochSteps()));
        lines.add(fact("padding", "%.1f %% of the batches", 100 * stats.padding()));
        lines.add(fact(
                "packing",
                "%,d sequences an epoch, %.1f %% filled",
                stats.packedSequences(),
                100 * stats.packedFill()));
        lines.add(fact(
                "duplicates",
                "%,d training examples are the same as one before, %,d held-out ones as a training example",
                stats.duplicates().repeated(),
                stats.duplicates().heldOutInTraining()));
        return lines;
    }

    private static void addSource(DataStats.SourceStats source, List<String> lines) {
        Totals totals = source.totals();
        lines.add("%s = %s%s".formatted(source.key(), source.path(), source.heldOut() ? " (held out)" : ""));
        lines.add(fact(
                "rows",
                "%,d, %,d filtered, %,d left out",
                source.rows(),
                source.filteredRows(),
                source.skipped().count()));
        source.skipped().byReason().forEach((reason, count) -> lines.add(fact("", "%,d: %s", count, reason)));
        addFirst(source.skipped(), lines);
        lines.add(fact("examples", "%,d%s", source.examples(), share(source)));
        lines.add(fact(
                "tokens",
                "%,d, %,d of them trained (%.1f %%)",
                totals.tokens(),
                totals.trainedTokens(),
                100.0 * totals.trainedTokens() / Math.max(1, totals.tokens())));
        lines.add(fact(
                "cut",
                "%,d examples, at least %,d tokens; %,d rows split",
                totals.cutExamples(),
                totals.tokensCut(),
                totals.splitRows()));
        if (totals.untrainedExamples() > 0) {
            lines.add(fact("nothing to train", "%,d examples", totals.untrainedExamples()));
        }
        lines.add(fact("lengths", "%s tokens", percentiles(source.lengths())));
        addHistogram(source.lengths().histogram(), lines);
    }

    private static void addFirst(SkippedRows skipped, List<String> lines) {
        String name = skipped.count() > skipped.first().size() ? "left out, first" : "left out";
        for (String row : skipped.first()) {
            lines.add(fact(name, "%s", row));
            name = "";
        }
    }

    private static String share(DataStats.SourceStats source) {
        return source.heldOut() ? "" : String.format(Locale.ROOT, ", %.1f %% of an epoch", 100 * source.epochShare());
    }

    private static String percentiles(LengthFigures lengths) {
        return lengths.percentiles().entrySet().stream()
                .map(entry -> String.format(Locale.ROOT, "%d %% up to %,d", entry.getKey(), entry.getValue()))
                .collect(Collectors.joining(", "));
    }

    private static void addHistogram(List<LengthFigures.Bin> bins, List<String> lines) {
        long most = bins.stream().mapToLong(LengthFigures.Bin::examples).max().orElse(1);
        for (LengthFigures.Bin bin : bins) {
            int bar = (int) Math.ceil((double) BAR_CHARACTERS * bin.examples() / most);
            String range = String.format(Locale.ROOT, "%,d to %,d", bin.from(), bin.to());
            lines.add(String.format(Locale.ROOT, "  %18s  %-40s %,d", range, "#".repeat(bar), bin.examples()));
        }
    }

    private static String fact(String name, String format, Object... values) {
        return String.format(Locale.ROOT, "  %-17s ", name) + String.format(Locale.ROOT, format, values);
    }

    /** One JSON object. */
    public String json() {
        ObjectNode all = JSON.createObjectNode();
        stats.sources()
                .forEach(source -> addSource(source, all.withArray("sources").addObject()));
        all.put("epoch_examples", stats.epochExamples());
        all.put("epoch_steps", stats.epochSteps());
        all.put("padding", stats.padding());
        all.put("packed_sequences", stats.packedSequences());
        all.put("packed_fill", stats.packedFill());
        all.put("duplicates", stats.duplicates().repeated());
        all.put("held_out_in_training", stats.duplicates().heldOutInTraining());
        return all.toString();
    }

    private static void addSource(DataStats.SourceStats source, ObjectNode node) {
        Totals totals = source.totals();
        node.put("key", source.key());
        node.put("path", source.path().toString());
        node.put("held_out", source.heldOut());
        node.put("rows", source.rows());
        node.put("rows_filtered", source.filteredRows());
        node.put("rows_skipped", source.skipped().count());
        ObjectNode reasons = node.putObject("skipped");
        source.skipped().byReason().forEach(reasons::put);
        source.skipped().first().forEach(node.putArray("first_skipped")::add);
        node.put("examples", source.examples());
        node.put("epoch_share", source.epochShare());
        node.put("tokens", totals.tokens());
        node.put("trained_tokens", totals.trainedTokens());
        node.put("cut_examples", totals.cutExamples());
        node.put("tokens_cut", totals.tokensCut());
        node.put("split_rows", totals.splitRows());
        node.put("untrained_examples", totals.untrainedExamples());
        node.put("longest", totals.longest());
        ObjectNode percentiles = node.putObject("length_percentiles");
        source.lengths().percentiles().forEach((percent, tokens) -> percentiles.put(percent.toString(), tokens));
        for (LengthFigures.Bin bin : source.lengths().histogram()) {
            node.withArray("lengths")
                    .addObject()
                    .put("from", bin.from())
                    .put("to", bin.to())
                    .put("examples", bin.examples());
        }
    }
}
