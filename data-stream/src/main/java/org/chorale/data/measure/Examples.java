// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.measure;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.chorale.data.example.ExampleEncoder;
import org.chorale.data.example.TokenizedExample;
import org.chorale.data.order.RowSubset;
import org.chorale.data.source.ExampleSource;
import org.chorale.data.source.SkippedRows;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The examples of a source as they are trained, by number. Where they were not measured, each row is an example. Safe to
 * use from many threads.
 */
public final class Examples implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Examples.class);

    private final ExampleSource source;
    private final RowSubset rows;
    private final ExampleEncoder encoder;
    private final @Nullable Lengths lengths;

    private Examples(ExampleSource source, RowSubset rows, ExampleEncoder encoder, @Nullable Lengths lengths) {
        this.source = source;
        this.rows = rows;
        this.encoder = encoder;
        this.lengths = lengths;
    }

    /** Each of these rows is an example, and its length is not known before it is read. */
    public static Examples unmeasured(ExampleSource source, RowSubset rows, ExampleEncoder encoder) {
        return new Examples(source, rows, encoder, null);
    }

    /**
     * Examples with their lengths. Tokenizes every row where there is no file of them yet, where it is corrupt, or where
     * anything that lengths depend on has changed.
     *
     * @param file of the lengths
     * @param depends whatever lengths depend on besides the source and the settings: tokenizer and template
     * @throws FaultException DATA_MALFORMED, DATA_EMPTY, STORAGE_FAILED
     */
    public static Examples measured(
            ExampleSource source, ExampleEncoder encoder, MeasureSettings settings, Path file, String depends) {
        String key = "source=%s steps=%s examples=%d rows=%s malformed-rows=%s truncation=%s sequence-tokens=%d %s"
                .formatted(
                        source.digest(),
                        source.stepsIdentity(),
                        source.examples(),
                        settings.rows().identity(),
                        settings.malformedRows(),
                        settings.truncation(),
                        settings.sequenceTokens(),
                        depends);
        Optional<Lengths> before = existing(file, key);
        if (before.isPresent()) {
            return new Examples(source, settings.rows(), encoder, before.get());
        }
        new RowMeasurer(source, encoder, settings).write(file, key);
        return new Examples(
                source,
                settings.rows(),
                encoder,
                existing(file, key)
                        .orElseThrow(
                                () -> new FaultException(FaultCode.STORAGE_FAILED, file + " cannot be read back")));
    }

    /** How many there are. */
    public long count() {
        return lengths == null ? rows.count() : lengths.examples();
    }

    /** What all rows amount to; empty where they were not measured. */
    public Optional<Totals> totals() {
        return Optional.ofNullable(lengths).map(known -> known.contents().totals());
    }

    /** Rows of the source that can be tokenized, but of which no example can be made; where they were measured. */
    public SkippedRows skipped() {
        return lengths == null ? SkippedRows.NONE : lengths.contents().skipped();
    }

    /**
     * Tokens of an example, where they were measured.
     *
     * @throws IllegalStateException where they were not
     */
    public int tokens(long example) {
        if (lengths == null) {
            throw new IllegalStateException("the examples were not measured");
        }
        return lengths.tokens(example);
    }

    /** The row of the source that an example comes from. */
    public long row(long example) {
        return lengths == null ? rows.row(example) : lengths.row(example);
    }

    /** The source of the rows. */
    public ExampleSource source() {
        return source;
    }

    /** Reads and tokenizes an example. */
    public TokenizedExample read(long example) {
        if (lengths == null || !lengths.isStored(example)) {
            return encoder.encode(source.read(row(example)));
        }
        try {
            return lengths.stored(example);
        } catch (IOException e) {
            throw new FaultException(FaultCode.STORAGE_FAILED, "the pieces of split rows cannot be read: " + e, e);
        }
    }

    @Override
    public void close() throws IOException {
        try (source) {
            if (lengths != null) {
                lengths.close();
            }
        }
    }

    private static Optional<Lengths> existing(Path file, String key) {
        if (!Files.exists(file) || !Files.exists(LengthsWriter.storedPath(file))) {
            return Optional.empty();
        }
        try {
            Lengths found = Lengths.open(file);
            if (found.contents().settings().equals(key)) {
                return Optional.of(found);
            }
            found.close();
            return Optional.empty();
        } catch (Lengths.CorruptException e) {
            log.warn("{} is corrupt ({}) and is made anew", file, e.getMessage());
            return Optional.empty();
        } catch (IOException e) {
            throw new FaultException(FaultCode.STORAGE_FAILED, file + " cannot be read: " + e, e);
        }
    }
}
