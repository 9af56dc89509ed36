// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import java.io.IOException;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.stream.IntStream;
import org.chorale.data.disk.Sha256;
import org.chorale.data.order.BatchOrder;
import org.chorale.data.order.EpochOrder;
import org.chorale.data.order.ExampleOrder;
import org.chorale.data.order.GroupedOrder;
import org.chorale.data.order.MixedOrder;
import org.chorale.data.order.PackedOrder;
import org.chorale.data.order.PlainOrder;
import org.chorale.data.order.WhenExhausted;
import org.chorale.data.tokenizer.TextTokenizer;
import org.chorale.proto.message.CoordinatorCommand.DataDescribed;
import org.jspecify.annotations.Nullable;

/** The open sources and the tokenizer of a run, and the order of its examples. */
final class RunData implements AutoCloseable {
    private final FeedSettings settings;
    private final TextTokenizer tokenizer;
    private final Optional<RunTemplate> template;
    private final Corpus train;
    private final @Nullable Corpus eval;
    private final EpochOrder epochOrder;
    private final BatchOrder order;
    private final long steps;

    RunData(
            FeedSettings settings,
            TextTokenizer tokenizer,
            Optional<RunTemplate> template,
            Corpus train,
            @Nullable Corpus eval) {
        this.settings = settings;
        this.tokenizer = tokenizer;
        this.template = template;
        this.train = train;
        this.eval = eval;
        this.epochOrder = order(settings, train);
        this.order = batches(settings, train, epochOrder);
        this.steps = settings.run()
                .steps()
                .orElseGet(() -> order.steps(BigDecimal.valueOf(settings.run().epochs())));
    }

    /**
     * Opens the sources and says in files beside their index what they are; takes long where an index has to be made or
     * rows to be measured.
     */
    static RunData open(FeedSettings settings) {
        try (RunDataOpening opening = new RunDataOpening(settings, false)) {
            RunData data = opening.open();
            new DataFiles(settings).write(data);
            return data;
        }
    }

    /** The same with every row tokenized, whether or not the run needs it before it begins. */
    static RunData openMeasured(FeedSettings settings) {
        try (RunDataOpening opening = new RunDataOpening(settings, true)) {
            return opening.open();
        }
    }

    FeedSettings settings() {
        return settings;
    }

    TextTokenizer tokenizer() {
        return tokenizer;
    }

    Corpus train() {
        return train;
    }

    /** Empty where nothing is evaluated. */
    Optional<Corpus> eval() {
        return Optional.ofNullable(eval);
    }

    /** Which training example stands where in an epoch. */
    EpochOrder epochOrder() {
        return epochOrder;
    }

    /** How many examples each training source gives to an epoch. */
    long[] epochExamples() {
        return epochOrder instanceof MixedOrder mixed
                ? IntStream.range(0, train.parts().size())
                        .mapToLong(mixed::turnsInEpoch)
                        .toArray()
                : train.counts();
    }

    /** Which training examples a step takes. */
    BatchOrder order() {
        return order;
    }

    /** Optimizer steps of the run. */
    long steps() {
        return steps;
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
                train.rowsSkipped() + eval().map(Corpus::rowsSkipped).orElse(0L),
                eval().map(Corpus::count).orElse(0L),
                tokenizer.tokenIds(),
                digest());
    }

    /** SHA-256 over the digests of training data, tokenizer and template, if there is one, a line each. */
    String digest() {
        String lines = new Fingerprint(settings.data(), train).lines() + tokenizer.digest() + "\n"
                + template.map(chat -> chat.digest() + "\n").orElse("");
        return Sha256.hex(lines.getBytes(StandardCharsets.US_ASCII));
    }

    @Override
    public void close() throws IOException {
        try (tokenizer;
                Corpus ignored = eval) {
            train.close();
        }
    }

    private static EpochOrder order(FeedSettings settings, Corpus train) {
        TrainConfig config = settings.data().train();
        long seed = settings.run().seed();
        return config.mix() == TrainConfig.Mix.WEIGHTED
                ? new MixedOrder(
                        seed, train.counts(), config.parts(), config.exhausted().orElse(WhenExhausted.REPEAT))
                : new ExampleOrder(seed, train.count());
    }

    private static BatchOrder batches(FeedSettings settings, Corpus train, EpochOrder order) {
        DataConfig data = settings.data();
        if (data.packing()) {
            return new PackedOrder(order, train::tokens, data.sequenceTokens(), data.globalBatch(), data.window());
        }
        return data.groupByLength()
                ? new GroupedOrder(order, train::tokens, data.globalBatch(), data.window())
                : new PlainOrder(order, data.globalBatch());
    }
}
