// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import java.io.IOException;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
import org.chorale.data.disk.DurableFile;
import org.chorale.data.disk.Sha256;
import org.chorale.data.example.ChatEncoder;
import org.chorale.data.example.ExampleEncoder;
import org.chorale.data.example.Learning;
import org.chorale.data.measure.Examples;
import org.chorale.data.measure.MeasureSettings;
import org.chorale.data.measure.Truncation;
import org.chorale.data.order.BatchOrder;
import org.chorale.data.order.ExampleOrder;
import org.chorale.data.order.GroupedOrder;
import org.chorale.data.order.PackedOrder;
import org.chorale.data.order.PlainOrder;
import org.chorale.data.source.ExampleSource;
import org.chorale.data.source.SourceSettings;
import org.chorale.data.tokenizer.TextTokenizer;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.message.CoordinatorCommand.DataDescribed;
import org.jspecify.annotations.Nullable;

/** The open sources and the tokenizer of a run, and the order of its examples. */
final class RunData implements AutoCloseable {
    private final FeedSettings settings;
    private final TextTokenizer tokenizer;
    private final Optional<RunTemplate> template;
    private final Examples train;
    private final @Nullable Examples eval;
    private final BatchOrder order;
    private final long steps;

    private RunData(
            FeedSettings settings,
            TextTokenizer tokenizer,
            Optional<RunTemplate> template,
            Examples train,
            @Nullable Examples eval) {
        this.settings = settings;
        this.tokenizer = tokenizer;
        this.template = template;
        this.train = train;
        this.eval = eval;
        this.order = order(settings, train);
        this.steps = settings.run()
                .steps()
                .orElseGet(() -> order.steps(BigDecimal.valueOf(settings.run().epochs())));
    }

    /**
     * Writes generated data, loads the tokenizer, and opens the sources; takes long where an index has to be made or
     * rows to be measured.
     */
    static RunData open(FeedSettings settings) {
        try (Opened opened = new Opened()) {
            if (settings.generates()) {
                settings.generatedData().write(settings.data().generate());
            }
            TextTokenizer tokenizer = opened.add(settings.tokenizer()
                    .map(path ->
                            TextTokenizer.load(path, settings.model().path().orElse(null)))
                    .orElseGet(TextTokenizer::none));
            ExampleSource trainRows =
                    opened.add(ExampleSource.open(settings.trainSource(), tokenizer, settings.indexFile("train")));
            Optional<SourceSettings> held = settings.evalSource();
            ExampleSource evalRows = held.isEmpty()
                    ? null
                    : opened.add(ExampleSource.open(held.get(), tokenizer, settings.evalIndexFile()));
            Optional<RunTemplate> template = template(settings, trainRows, evalRows);
            ExampleEncoder encoder = encoder(settings, tokenizer, template);
            String depends = "tokenizer=%s eos=%d template=%s train-on=%s learning=%s"
                    .formatted(
                            tokenizer.digest(),
                            tokenizer.eos(),
                            template.map(chat -> chat.digest() + " of " + chat.day())
                                    .orElse("none"),
                            settings.data().chat().trainOn(),
                            settings.preference().learning());
            Examples train = opened.add(examples(settings, "train", trainRows, encoder, depends));
            Examples eval =
                    evalRows == null ? null : opened.add(examples(settings, "eval", evalRows, encoder, depends));
            RunData data = new RunData(settings, tokenizer, template, train, eval);
            data.writeReport();
            opened.keep();
            return data;
        }
    }

    FeedSettings settings() {
        return settings;
    }

    TextTokenizer tokenizer() {
        return tokenizer;
    }

    Examples train() {
        return train;
    }

    /** Empty where nothing is evaluated. */
    Optional<Examples> eval() {
        return Optional.ofNullable(eval);
    }

    /** Of the training examples. */
    BatchOrder order() {
        return order;
    }

    /** Optimizer steps of the run. */
    long steps() {
        return steps;
    }

    /** Beside the index, for people. */
    private void writeReport() {
        Path file = settings.reportFile();
        try (DurableFile out = DurableFile.begin(file)) {
            String lines = String.join("\n", DataReport.known(this).lines()) + "\n";
            out.out().write(lines.getBytes(StandardCharsets.UTF_8));
            out.commit();
        } catch (IOException e) {
            throw new FaultException(FaultCode.STORAGE_FAILED, file + " cannot be written: " + e, e);
        }
    }

    /**
     * The digest is of all that a row's tokens come from, so that a run also notices another tokenizer or template.
     *
     * @param feeder its number
     */
    DataDescribed describe(long generation, int feeder) {
        return new DataDescribed(
                generation,
                feeder,
                train.count(),
                steps,
                train.rowsSkipped() + eval().map(Examples::rowsSkipped).orElse(0L),
                eval().map(Examples::count).orElse(0L),
                tokenizer.tokenIds(),
                digest());
    }

    /** SHA-256 over the digests of training source, tokenizer and template, if there is one, a line each. */
    private String digest() {
        String lines = train.source().digest() + "\n" + tokenizer.digest() + "\n"
                + template.map(chat -> chat.digest() + "\n").orElse("");
        return Sha256.hex(lines.getBytes(StandardCharsets.US_ASCII));
    }

    @Override
    public void close() throws IOException {
        try (tokenizer;
                Examples ignored = eval) {
            train.close();
        }
    }

    private static BatchOrder order(FeedSettings settings, Examples train) {
        DataConfig data = settings.data();
        ExampleOrder order = new ExampleOrder(settings.run().seed(), train.count());
        if (data.packing()) {
            return new PackedOrder(order, train::tokens, data.sequenceTokens(), data.globalBatch(), data.window());
        }
        return data.groupByLength()
                ? new GroupedOrder(order, train::tokens, data.globalBatch(), data.window())
                : new PlainOrder(order, data.globalBatch());
    }

    /** Rows are measured where their number or order depends on their tokens, or a template may refuse one. */
    private static Examples examples(
            FeedSettings settings, String name, ExampleSource rows, ExampleEncoder encoder, String depends) {
        DataConfig data = settings.data();
        boolean ordersByLength = name.equals("train") && (data.packing() || data.groupByLength());
        boolean learnsFromAll = settings.preference().learning() == Learning.TEXT; // else a row may be of another kind
        if (!ordersByLength && learnsFromAll && data.truncation() == Truncation.CUT && rows.chatRows() == 0) {
            return Examples.unmeasured(rows, encoder);
        }
        MeasureSettings measure = new MeasureSettings(
                "data." + name + ".path",
                name.equals("train")
                        ? settings.trainPath()
                        : settings.evalPath().orElseThrow(),
                data.malformedRows(),
                data.truncation(),
                data.sequenceTokens());
        return Examples.measured(rows, encoder, measure, settings.lengthsFile(name), depends);
    }

    private static Optional<RunTemplate> template(
            FeedSettings settings, ExampleSource train, @Nullable ExampleSource eval) {
        Optional<Path> file = settings.data().chat().template();
        if (train.chatRows() > 0 || (eval != null && eval.chatRows() > 0)) {
            return Optional.of(RunTemplate.load(settings.tokenizerPath(), file, settings.dayFile()));
        } else if (file.isPresent()) {
            throw new FaultException(
                    FaultCode.CONFIG_INVALID,
                    "data.chat.template = %s: no row of the data has messages that it could render; leave it null"
                            .formatted(file.get()));
        }
        return Optional.empty();
    }

    private static ExampleEncoder encoder(
            FeedSettings settings, TextTokenizer tokenizer, Optional<RunTemplate> template) {
        return new ExampleEncoder(
                tokenizer,
                template.map(chat -> new ChatEncoder(
                        chat.template(), tokenizer, settings.data().chat().trainOn())),
                settings.data().sequenceTokens(),
                settings.preference().learning());
    }

    /** What was opened so far, and is closed again unless all of it could be. */
    private static final class Opened implements AutoCloseable {
        private final Deque<AutoCloseable> resources = new ArrayDeque<>();

        <R extends AutoCloseable> R add(R resource) {
            resources.push(resource);
            return resource;
        }

        void keep() {
            resources.clear();
        }

        @Override
        public void close() {
            for (AutoCloseable resource : resources) {
                try {
                    resource.close();
                } catch (Exception e) {
                    throw new FaultException(FaultCode.STORAGE_FAILED, "the data could not be closed: " + e, e);
                }
            }
        }
    }
}
