// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.apache.pekko.NotUsed;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.stream.OverflowStrategy;
import org.apache.pekko.stream.javadsl.Source;
import org.chorale.proto.batch.Batch;
import org.chorale.proto.batch.Column;
import org.chorale.proto.batch.ColumnType;
import org.chorale.proto.batch.Feed;
import org.chorale.proto.batch.StepBatch;
import org.chorale.proto.feed.BatchFraming;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.CoordinatorCommand.StepDone;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Feeder and worker share this JVM, so that its memory is that of both. The feeder makes a batch in no time; the worker
 * takes as long for each as the test wants.
 */
final class SlowWorkerMemoryTest {
    private static final long MIB = 1 << 20;
    private static final long BATCH_BYTES = 2 * MIB;

    /**
     * One in hand, those ahead with the shard, one pulled, one that waits to be cut. One that is cut is there as a batch,
     * in Kryo's buffer, which doubles as it fills, and as a frame; one that is put together, as pieces, frame and batch.
     */
    private static final int BATCHES = 1 + FeedIntake.BATCHES_AHEAD + 1 + 1 + (1 + 2 + 1) + 3;

    /** Whatever libraries keep after their first use. */
    private static final long OTHER_BYTES = 8 * MIB;

    private static final long BOUND_BYTES =
            BATCHES * BATCH_BYTES + (long) BatchFraming.PIECES_IN_FLIGHT * BatchFraming.PIECE_BYTES + OTHER_BYTES;

    private static final int STEPS = 100;
    private static final int STEPS_PER_MEASUREMENT = 4;
    private static final int LOOKS = 4;
    private static final Duration COMPUTING = Duration.ofMillis(10);
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    @TempDir
    private Path directory;

    private final AtomicLong made = new AtomicLong();

    @Test
    void memoryStaysFlatWhileManyTimesAsMuchPassesThrough() throws IOException {
        assertThat(STEPS * BATCH_BYTES).isGreaterThan(5 * BOUND_BYTES);
        assertThat(largestGrowth(STEPS, 0)).isBetween(BATCH_BYTES, BOUND_BYTES);
        assertThat(made.get()).isLessThanOrEqualTo(STEPS + BATCHES);
    }

    @Test
    void aQueueAsLargeAsTheBoundWouldShow() throws IOException {
        int queued = (int) (BOUND_BYTES / BATCH_BYTES);
        assertThat(largestGrowth(STEPS_PER_MEASUREMENT, queued)).isGreaterThan(BOUND_BYTES);
    }

    /**
     * Of what is held after a collection, in any of the steps, over what was held before the first.
     *
     * @param queued batches in a queue that should not be there
     */
    private long largestGrowth(int steps, int queued) throws IOException {
        Source<StepBatch, NotUsed> fed =
                queued == 0 ? batches() : batches().buffer(queued, OverflowStrategy.backpressure());
        String slow = "pipeline.preprocess = [{ type = %s }]".formatted(GatedStage.class.getName());
        try (RemoteRank rank = new RemoteRank(directory, slow)) {
            TestProbe<CoordinatorCommand> patience = rank.patience();
            long before = heldBytes();
            long largest = 0;
            rank.run(fed, steps);
            for (long step = 1; step <= steps; step++) {
                long least = step + queued;
                patience.awaitAssert(PATIENCE, () -> assertThat(made.get()).isGreaterThanOrEqualTo(least));
                patience.expectNoMessage(COMPUTING);
                if (step % STEPS_PER_MEASUREMENT == 0) {
                    largest = Math.max(largest, heldBytes() - before);
                }
                GatedStage.PERMITS.release();
                assertThat(rank.heard(StepDone.class).report().getStep()).isEqualTo(step);
            }
            return largest;
        } finally {
            GatedStage.PERMITS.drainPermits();
        }
    }

    /** The least of several looks: what is on its way while a collection runs counts as held, and is not. */
    private static long heldBytes() {
        return IntStream.range(0, LOOKS).mapToLong(look -> usedBytes()).min().orElseThrow();
    }

    private static long usedBytes() {
        System.gc();
        long direct = ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
                .mapToLong(BufferPoolMXBean::getMemoryUsed)
                .sum();
        return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed() + direct;
    }

    /** Without end: a few tokens, and ballast that nobody reads. */
    private Source<StepBatch, NotUsed> batches() {
        return Source.fromIterator(() -> LongStream.iterate(1, step -> step + 1).iterator())
                .map(step -> {
                    made.incrementAndGet();
                    return loaded(Examples.batch(Feed.TRAIN, step, false));
                });
    }

    private static StepBatch loaded(StepBatch bare) {
        Column ballast = new Column("ballast", ColumnType.U8, new long[] {BATCH_BYTES}, new byte[(int) BATCH_BYTES]);
        List<Column> columns = bare.microBatches().get(0).columns();
        Batch batch = new Batch(List.of(columns.get(0), columns.get(1), columns.get(2), ballast));
        return new StepBatch(
                bare.feed(),
                bare.index(),
                bare.epoch(),
                bare.samples(),
                bare.tokens(),
                bare.tokensCut(),
                List.of(batch),
                bare.last());
    }
}
