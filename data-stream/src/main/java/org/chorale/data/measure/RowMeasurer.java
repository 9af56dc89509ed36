// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.measure;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.ForkJoinWorkerThread;
import java.util.stream.LongStream;
import org.chorale.data.example.ExampleEncoder;
import org.chorale.data.example.UnusableExampleException;
import org.chorale.data.source.ExampleSource;
import org.chorale.data.source.Rejections;
import org.chorale.data.source.RowPlace;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/** Tokenizes every row of a source once, on all cores, and writes down what examples it makes and how long they are. */
final class RowMeasurer {
    /** Rows that are measured at the same time, */
    private static final int MAX_BLOCK_ROWS = 1024;
    /** and how many bytes they may have, unless it is one row: the library takes hundreds of bytes per character. */
    private static final long MAX_BLOCK_BYTES = 8 << 20;

    /** What became of a row, or why it cannot be used. */
    private record Outcome(long row, MeasuredRow measured, String problem) {}

    private final ExampleSource source;
    private final ExampleEncoder encoder;
    private final MeasureSettings settings;
    private final Rejections rejections;

    RowMeasurer(ExampleSource source, ExampleEncoder encoder, MeasureSettings settings) {
        this.source = source;
        this.encoder = encoder;
        this.settings = settings;
        this.rejections = new Rejections(settings.malformedRows());
    }

    /** @throws FaultException DATA_MALFORMED, DATA_EMPTY, STORAGE_FAILED */
    void write(Path file, String key) {
        int cores = Runtime.getRuntime().availableProcessors();
        ForkJoinPool pool = new ForkJoinPool(cores, RowMeasurer::named, null, false);
        try (LengthsWriter writer = LengthsWriter.begin(file)) {
            long row = 0;
            while (row < source.examples()) {
                long end = blockEnd(row);
                measured(pool, row, end).forEach(outcome -> add(writer, outcome));
                row = end;
            }
            if (writer.examples() == 0) {
                throw new FaultException(
                        FaultCode.DATA_EMPTY,
                        "%s = %s: has no usable example (%d of %d rows cannot be used)%s"
                                .formatted(
                                        settings.key(),
                                        settings.path(),
                                        rejections.count(),
                                        settings.rows().count(),
                                        rejections.first()));
            }
            writer.commit(key, rejections.skipped());
        } finally {
            pool.shutdownNow();
        }
        rejections.report(settings.path());
    }

    /** The feeder tells work from a hang by the threads that are named after its dispatcher. */
    private static ForkJoinWorkerThread named(ForkJoinPool pool) {
        ForkJoinWorkerThread thread = ForkJoinPool.defaultForkJoinWorkerThreadFactory.newThread(pool);
        thread.setName("chorale.tokenize-dispatcher-rows-" + thread.getPoolIndex());
        return thread;
    }

    private long blockEnd(long from) {
        long end = from;
        long bytes = 0;
        while (end < source.examples() && end - from < MAX_BLOCK_ROWS) {
            bytes += source.bytes(end);
            if (bytes > MAX_BLOCK_BYTES && end > from) {
                return end;
            }
            end++;
        }
        return end;
    }

    private List<Outcome> measured(ForkJoinPool pool, long from, long until) {
        try {
            return pool.submit(() -> LongStream.range(from, until)
                            .parallel()
                            .filter(settings.rows()::contains)
                            .mapToObj(this::measured)
                            .toList())
                    .get();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof RuntimeException cause) {
                throw cause;
            }
            throw new IllegalStateException(e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while rows were tokenized", e);
        }
    }

    private Outcome measured(long row) {
        try {
            return new Outcome(
                    row,
                    MeasuredRow.of(source.read(row), encoder, settings.truncation(), settings.sequenceTokens()),
                    "");
        } catch (UnusableExampleException e) {
            return new Outcome(row, new MeasuredRow(List.of(), false), String.valueOf(e.getMessage()));
        }
    }

    private void add(LengthsWriter writer, Outcome outcome) {
        if (outcome.problem().isEmpty()) {
            writer.add(outcome.row(), outcome.measured());
            return;
        }
        RowPlace place =
                rejections.wantsPlace() ? source.place(outcome.row()) : new RowPlace(settings.path(), 0, false);
        rejections.reject(place, outcome.problem());
        writer.skip();
    }
}
