// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.chorale.data.measure.Examples;
import org.chorale.data.measure.Totals;
import org.chorale.data.order.EpochOrder;
import org.chorale.data.order.PackedOrder;
import org.chorale.data.source.Example;
import org.chorale.data.source.SkippedRows;
import org.chorale.data.stats.Duplicates;
import org.chorale.data.stats.LengthFigures;

/**
 * All figures of a run's data, for which every row is read and tokenized.
 *
 * @param sources in the order of the configuration, training sources first
 * @param epochExamples examples of an epoch; those of a source that is repeated count each time
 * @param epochSteps steps of the first epoch
 * @param padding share of the tokens of batches that only fills rows up, as the run is configured
 * @param packedSequences sequences that the first epoch has, or would have, with data.packing = true
 * @param packedFill share of those that is filled
 * @param duplicates examples that are the same
 */
public record DataStats(
        List<SourceStats> sources,
        long epochExamples,
        long epochSteps,
        double padding,
        long packedSequences,
        double packedFill,
        Duplicates.Found duplicates) {
    /**
     * Figures of a source, or of the rows of it that are held out.
     *
     * @param key where in the configuration it stands
     * @param heldOut whether it is evaluated and not trained
     * @param rows that were read, whatever became of them
     * @param filteredRows that a filter left out
     * @param skipped rows that cannot be used
     * @param examples that are used
     * @param epochShare share of an epoch's examples that are of this source; 0 of held-out ones
     * @param totals over its examples
     * @param lengths of its examples
     */
    public record SourceStats(
            String key,
            Path path,
            boolean heldOut,
            long rows,
            long filteredRows,
            SkippedRows skipped,
            long examples,
            double epochShare,
            Totals totals,
            LengthFigures lengths) {}

    /** The first row that cannot be used, with its place and what is wrong; empty where all can. */
    public Optional<String> firstSkipped() {
        return sources.stream()
                .flatMap(source -> source.skipped().first().stream())
                .findFirst();
    }

    /**
     * Opens a run's data and counts it; what has to be written goes into the run directory that the configuration names.
     *
     * @param runConf resolved
     */
    public static DataStats of(String runConf) throws IOException {
        FeedSettings settings = FeedSettings.read(runConf);
        try (RunData data = RunData.openMeasured(settings)) {
            List<SourceStats> sources = new ArrayList<>();
            long[] shares = data.epochExamples();
            long epoch = LongStream.of(shares).sum();
            List<Corpus.Part> train = data.train().parts();
            IntStream.range(0, train.size())
                    .forEach(i -> sources.add(source(train.get(i), false, (double) shares[i] / epoch)));
            data.eval().map(Corpus::parts).orElse(List.of()).forEach(part -> sources.add(source(part, true, 0)));
            long packed = packedSequences(data);
            return new DataStats(
                    List.copyOf(sources),
                    epoch,
                    data.order().stepsOf(0),
                    DataReport.padding(data, data.order().stepsOf(0), data.train()::tokens),
                    packed,
                    (double) epochTokens(data) / (packed * settings.data().sequenceTokens()),
                    duplicates(data, settings.run().dir().resolve("duplicates")));
        }
    }

    private static SourceStats source(Corpus.Part part, boolean heldOut, double share) {
        Examples examples = part.examples();
        Totals totals = examples.totals().orElseThrow();
        return new SourceStats(
                part.source().key(),
                part.source().entry().path(),
                heldOut,
                examples.source().examples()
                        + examples.source().rowsFiltered()
                        + examples.source().skipped().count(),
                examples.source().rowsFiltered(),
                examples.source().skipped().plus(examples.skipped()),
                examples.count(),
                share,
                totals,
                LengthFigures.of(LongStream.range(0, examples.count()).mapToInt(examples::tokens), totals.longest()));
    }

    private static long packedSequences(RunData data) {
        DataConfig config = data.settings().data();
        PackedOrder packed = new PackedOrder(
                data.epochOrder(),
                data.train()::tokens,
                config.sequenceTokens(),
                config.globalBatch(),
                config.window());
        return packed.sequencesOf(0);
    }

    private static long epochTokens(RunData data) {
        EpochOrder order = data.epochOrder();
        return LongStream.range(0, order.positions())
                .map(position -> data.train().tokens(order.example(0, position)))
                .sum();
    }

    private static Duplicates.Found duplicates(RunData data, Path folder) throws IOException {
        try (Duplicates duplicates = new Duplicates(folder)) {
            add(data.train(), false, duplicates);
            if (data.eval().isPresent()) {
                add(data.eval().get(), true, duplicates);
            }
            return duplicates.found();
        }
    }

    /** A row that was split is one example here: its first piece stands for it. */
    private static void add(Corpus corpus, boolean heldOut, Duplicates duplicates) throws IOException {
        for (Corpus.Part part : corpus.parts()) {
            Examples examples = part.examples();
            long before = -1;
            for (long i = 0; i < examples.count(); i++) {
                long row = examples.row(i);
                if (row != before) {
                    duplicates.add(text(examples.source().read(row)), heldOut);
                }
                before = row;
            }
        }
    }

    private static String text(Example example) {
        return example instanceof Example.Ids ids ? Arrays.toString(ids.tokens()) : example.toString();
    }
}
