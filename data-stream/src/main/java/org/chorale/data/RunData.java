// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import org.chorale.data.disk.Sha256;
import org.chorale.data.source.ExampleSource;
import org.chorale.data.source.SourceSettings;
import org.chorale.data.tokenizer.TextTokenizer;
import org.chorale.proto.message.CoordinatorCommand.DataDescribed;
import org.jspecify.annotations.Nullable;

/** The open sources and the tokenizer of a run. */
final class RunData implements AutoCloseable {
    private final FeedSettings settings;
    private final TextTokenizer tokenizer;
    private final ExampleSource train;
    private final @Nullable ExampleSource eval;

    private RunData(FeedSettings settings, TextTokenizer tokenizer, ExampleSource train, @Nullable ExampleSource eval) {
        this.settings = settings;
        this.tokenizer = tokenizer;
        this.train = train;
        this.eval = eval;
    }

    /** Writes generated data, loads the tokenizer, and opens the sources; takes long where an index has to be made. */
    static RunData open(FeedSettings settings) {
        TextTokenizer tokenizer = null;
        ExampleSource train = null;
        try {
            if (settings.generates()) {
                settings.generatedData().write(settings.data().generate());
            }
            tokenizer = TextTokenizer.load(
                    settings.tokenizerPath(), settings.model().path().orElse(null));
            train = ExampleSource.open(settings.trainSource(), tokenizer, settings.indexFile("train"));
            Optional<SourceSettings> held = settings.evalSource();
            ExampleSource eval =
                    held.isPresent() ? ExampleSource.open(held.get(), tokenizer, settings.indexFile("eval")) : null;
            return new RunData(settings, tokenizer, train, eval);
        } catch (RuntimeException e) {
            close(e, train, tokenizer);
            throw e;
        }
    }

    FeedSettings settings() {
        return settings;
    }

    TextTokenizer tokenizer() {
        return tokenizer;
    }

    ExampleSource train() {
        return train;
    }

    /** Empty where nothing is evaluated. */
    Optional<ExampleSource> eval() {
        return Optional.ofNullable(eval);
    }

    /** The digest is of all that a row's tokens come from, so that a run also notices another tokenizer. */
    DataDescribed describe(long generation) {
        return new DataDescribed(
                generation,
                train.examples(),
                train.rowsSkipped() + eval().map(ExampleSource::rowsSkipped).orElse(0L),
                eval().map(ExampleSource::examples).orElse(0L),
                tokenizer.tokenIds(),
                digest());
    }

    /** SHA-256 over the digests of the training source and of the tokenizer, in hexadecimal, a line each. */
    private String digest() {
        String lines = train.digest() + "\n" + tokenizer.digest() + "\n";
        return Sha256.hex(lines.getBytes(StandardCharsets.US_ASCII));
    }

    @Override
    public void close() throws IOException {
        try (tokenizer;
                ExampleSource ignored = eval) {
            train.close();
        }
    }

    private static void close(RuntimeException because, @Nullable AutoCloseable... opened) {
        for (AutoCloseable one : opened) {
            try {
                if (one != null) {
                    one.close();
                }
            } catch (Exception e) {
                because.addSuppressed(e);
            }
        }
    }
}
