// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.apache.pekko.stream.javadsl.Source;
import org.chorale.proto.batch.Batch;
import org.chorale.proto.batch.Column;
import org.chorale.proto.batch.Feed;
import org.chorale.proto.batch.StepBatch;
import org.chorale.proto.message.CoordinatorCommand.SpanDone;
import org.chorale.proto.message.CoordinatorCommand.StepDone;
import org.chorale.proto.message.ReportPieces;
import org.chorale.proto.wire.StepReport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A step of 100,000 sequences on one rank. */
final class ManyExamplesTest {
    private static final int MICRO_BATCHES = 50;
    private static final int SEQUENCES = 2_000; // of a micro-batch
    private static final long FIRST_SAMPLE = 1L << 42; // seven bytes each

    @TempDir
    private Path directory;

    @Test
    void theCoordinatorHearsOfEveryExample() throws IOException {
        StepBatch batch = batch();
        try (RemoteRank rank = new RemoteRank(directory)) {
            rank.run(Source.single(batch), 1);
            List<StepReport> pieces = Stream.generate(
                            () -> rank.heard(StepDone.class).report())
                    .limit(1 + batch.samples().length / ReportPieces.PIECE_SAMPLES)
                    .toList();
            assertThat(rank.heard(SpanDone.class).step()).isEqualTo(1);
            StepReport whole = pieces.stream()
                    .reduce((begun, next) -> ReportPieces.join(begun, next).orElseThrow())
                    .orElseThrow();
            assertThat(whole.getSamplesList())
                    .containsExactlyElementsOf(
                            LongStream.of(batch.samples()).boxed().toList());
            assertThat(whole.getTrainedTokens()).isEqualTo(batch.samples().length);
            assertThat((long) whole.getSerializedSize())
                    .as("it would not have come at once")
                    .isGreaterThan(2 * rank.frameBytes());
        }
    }

    /** Each sequence has two tokens, of which the second counts. */
    private static StepBatch batch() {
        int tokens = 2 * SEQUENCES;
        Batch microBatch = new Batch(List.of(
                Column.ofLongs(
                        Batch.TOKENS,
                        LongStream.range(0, tokens).map(i -> i % 11).toArray(),
                        SEQUENCES,
                        2),
                Column.ofLongs(
                        Batch.LABELS,
                        LongStream.range(0, tokens)
                                .map(i -> i % 2 == 0 ? Batch.IGNORED : i % 11)
                                .toArray(),
                        SEQUENCES,
                        2),
                Column.ofLongs(
                        Batch.LENGTHS,
                        LongStream.generate(() -> 2).limit(SEQUENCES).toArray(),
                        SEQUENCES)));
        long[] samples = LongStream.range(FIRST_SAMPLE, FIRST_SAMPLE + MICRO_BATCHES * SEQUENCES)
                .toArray();
        return new StepBatch(
                Feed.TRAIN,
                1,
                0.5,
                samples,
                (long) MICRO_BATCHES * tokens,
                0,
                Stream.generate(() -> microBatch).limit(MICRO_BATCHES).toList(),
                false);
    }
}
