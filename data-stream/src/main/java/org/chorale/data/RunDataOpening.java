// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.chorale.data.example.ChatEncoder;
import org.chorale.data.example.ExampleEncoder;
import org.chorale.data.example.Learning;
import org.chorale.data.measure.Examples;
import org.chorale.data.measure.MeasureSettings;
import org.chorale.data.measure.Truncation;
import org.chorale.data.order.RowSubset;
import org.chorale.data.source.ExampleSource;
import org.chorale.data.tokenizer.TextTokenizer;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.jspecify.annotations.Nullable;

/**
 * Opens what a run reads: tokenizer and sources, the template if a row asks for one, and the examples. What was opened is
 * closed again unless all of it could be.
 */
final class RunDataOpening implements AutoCloseable {
    private final FeedSettings settings;
    private final boolean measuresAll;
    private final Deque<AutoCloseable> opened = new ArrayDeque<>();

    RunDataOpening(FeedSettings settings, boolean measuresAll) {
        this.settings = settings;
        this.measuresAll = measuresAll;
    }

    /** Writes generated data first; takes long where an index has to be made or rows to be measured. */
    RunData open() {
        if (settings.generates()) {
            settings.generatedData().write(settings.data().generate());
        }
        TextTokenizer tokenizer = keep(settings.tokenizer()
                .map(path -> TextTokenizer.load(path, settings.model().path().orElse(null)))
                .orElseGet(TextTokenizer::none));
        List<ExampleSource> train = openAll(settings.train(), tokenizer);
        List<ExampleSource> eval = openAll(settings.eval(), tokenizer);
        Optional<RunTemplate> template = template(Stream.concat(train.stream(), eval.stream()));
        Measuring measuring = new Measuring(settings, tokenizer, template, measuresAll);
        HeldOutRows heldOut = HeldOutRows.of(
                settings.data().eval(),
                train.stream().map(ExampleSource::examples).toList());
        RunData data = new RunData(
                settings,
                tokenizer,
                template,
                trained(train, heldOut, measuring),
                eval.isEmpty() ? heldOut(train, heldOut, measuring) : evaluated(eval, measuring));
        opened.clear();
        return data;
    }

    private Corpus trained(List<ExampleSource> train, HeldOutRows heldOut, Measuring measuring) {
        List<Examples> examples = IntStream.range(0, train.size())
                .mapToObj(i -> keep(measuring.train(
                        settings.train().get(i), train.get(i), heldOut.train().get(i))))
                .toList();
        return Corpus.of(settings.train(), examples);
    }

    private Corpus evaluated(List<ExampleSource> eval, Measuring measuring) {
        List<Examples> examples = IntStream.range(0, eval.size())
                .mapToObj(i -> keep(measuring.eval(
                        settings.eval().get(i),
                        eval.get(i),
                        RowSubset.all(eval.get(i).examples()))))
                .toList();
        return Corpus.of(settings.eval(), examples);
    }

    /** Null where no row is held out. */
    private @Nullable Corpus heldOut(List<ExampleSource> train, HeldOutRows heldOut, Measuring measuring) {
        if (heldOut.eval().isEmpty()) {
            return null;
        }
        List<NamedSource> sources = heldOut.eval().stream()
                .map(part -> settings.train().get(part.source()).heldOut())
                .toList();
        List<Examples> examples = IntStream.range(0, sources.size())
                .mapToObj(i -> {
                    HeldOutRows.Held part = heldOut.eval().get(i);
                    return keep(measuring.eval(sources.get(i), train.get(part.source()), part.rows()));
                })
                .toList();
        return Corpus.of(sources, examples);
    }

    private List<ExampleSource> openAll(List<NamedSource> sources, TextTokenizer tokenizer) {
        return sources.stream()
                .map(source -> keep(ExampleSource.open(
                        settings.read(source), tokenizer, settings.indexFile(settings.indexName(source)))))
                .toList();
    }

    private Optional<RunTemplate> template(Stream<ExampleSource> sources) {
        Optional<Path> file = settings.data().chat().template();
        if (sources.anyMatch(source -> source.chatRows() > 0)) {
            return Optional.of(RunTemplate.load(settings.tokenizerPath(), file, settings.dayFile()));
        } else if (file.isPresent()) {
            throw new FaultException(
                    FaultCode.CONFIG_INVALID,
                    "data.chat.template = %s: no row of the data has messages that it could render; leave it null"
                            .formatted(file.get()));
        }
        return Optional.empty();
    }

    private <R extends AutoCloseable> R keep(R resource) {
        opened.push(resource);
        return resource;
    }

    @Override
    public void close() {
        for (AutoCloseable resource : opened) {
            try {
                resource.close();
            } catch (Exception e) {
                throw new FaultException(FaultCode.STORAGE_FAILED, "the data could not be closed: " + e, e);
            }
        }
    }

    /** Makes examples of rows, which are measured where their number or order depends on their tokens. */
    private record Measuring(FeedSettings settings, ExampleEncoder encoder, String depends, boolean measuresAll) {
        Measuring(FeedSettings settings, TextTokenizer tokenizer, Optional<RunTemplate> template, boolean measuresAll) {
            this(settings, encoder(settings, tokenizer, template), depends(settings, tokenizer, template), measuresAll);
        }

        Examples train(NamedSource source, ExampleSource rows, RowSubset used) {
            DataConfig data = settings.data();
            return examples(source, rows, used, data.packing() || data.groupByLength());
        }

        Examples eval(NamedSource source, ExampleSource rows, RowSubset used) {
            return examples(source, rows, used, false);
        }

        /** A template may refuse a row, and overlong ones may be refused or split. */
        private Examples examples(NamedSource source, ExampleSource rows, RowSubset used, boolean ordersByLength) {
            DataConfig data = settings.data();
            boolean textAlone = settings.preference().learning() == Learning.TEXT; // else a row may be of another kind
            boolean asTheyAre = textAlone && data.truncation() == Truncation.CUT && rows.chatRows() == 0;
            if (asTheyAre && !ordersByLength && !measuresAll) {
                return Examples.unmeasured(rows, used, encoder);
            }
            MeasureSettings measure = new MeasureSettings(
                    source.pathKey(),
                    source.entry().path(),
                    used,
                    data.malformedRows(),
                    data.truncation(),
                    data.sequenceTokens());
            return Examples.measured(rows, encoder, measure, settings.lengthsFile(source.name()), depends);
        }

        private static String depends(FeedSettings settings, TextTokenizer tokenizer, Optional<RunTemplate> template) {
            return "tokenizer=%s eos=%d template=%s train-on=%s learning=%s"
                    .formatted(
                            tokenizer.digest(),
                            tokenizer.eos(),
                            template.map(chat -> chat.digest() + " of " + chat.day())
                                    .orElse("none"),
                            settings.data().chat().trainOn(),
                            settings.preference().learning());
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
    }
}
