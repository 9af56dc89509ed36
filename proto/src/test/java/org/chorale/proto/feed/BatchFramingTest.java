// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.feed;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.typesafe.config.ConfigFactory;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.apache.pekko.NotUsed;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.stream.Attributes;
import org.apache.pekko.stream.SourceRef;
import org.apache.pekko.stream.StreamRefResolver;
import org.apache.pekko.stream.javadsl.Sink;
import org.apache.pekko.stream.javadsl.SinkQueueWithCancel;
import org.apache.pekko.stream.javadsl.Source;
import org.apache.pekko.util.ByteString;
import org.chorale.proto.batch.Batch;
import org.chorale.proto.batch.Column;
import org.chorale.proto.batch.Feed;
import org.chorale.proto.batch.StepBatch;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The feeder's system and the rank's are two, which speak over TCP. */
final class BatchFramingTest {
    /** Artery's frames are as large as by default. */
    private static final String REMOTE = """
            pekko.actor.provider = remote
            pekko.remote.artery.transport = tcp
            pekko.remote.artery.canonical { hostname = "127.0.0.1", port = 0 }
            pekko.remote.use-unsafe-remote-features-outside-cluster = on
            pekko.remote.watch-failure-detector {
              heartbeat-interval = 200 ms
              expected-response-after = 500 ms
              acceptable-heartbeat-pause = 2 s
            }
            pekko.coordinated-shutdown.exit-jvm = off
            """;

    private static final int MIB = 1 << 20;

    private final ActorTestKit feeder =
            ActorTestKit.create("feeder", ConfigFactory.parseString(REMOTE).withFallback(ConfigFactory.load()));
    private final ActorTestKit rank =
            ActorTestKit.create("rank", ConfigFactory.parseString(REMOTE).withFallback(ConfigFactory.load()));

    @AfterEach
    void stop() {
        rank.shutdownTestKit();
        feeder.shutdownTestKit();
    }

    @Test
    void batchesOfManySizesArriveAsTheyWere() {
        List<StepBatch> batches = IntStream.of(0, 1, 1000, BatchFraming.PIECE_BYTES / 8, MIB / 2)
                .mapToObj(tokens -> batch(tokens, tokens, 3, tokens / 2))
                .toList();
        CompletionStage<List<StepBatch>> arrived =
                received(Source.from(batches)).runWith(Sink.seq(), rank.system());
        assertThat(arrived.toCompletableFuture().orTimeout(30, TimeUnit.SECONDS).join())
                .isEqualTo(batches);
    }

    @Test
    void aPieceFitsIntoAFrameOfPekkosDefaultSize() {
        Source<ByteString, NotUsed> pieces =
                BatchFraming.encode(Source.single(batch(1, MIB, 2, 5)), failure -> fault(), feeder.system());
        List<ByteString> all = pieces.runWith(Sink.seq(), feeder.system())
                .toCompletableFuture()
                .orTimeout(30, TimeUnit.SECONDS)
                .join();
        assertThat(all).hasSizeGreaterThan(2 * 8 * MIB / BatchFraming.PIECE_BYTES);
        assertThat(all).allSatisfy(piece -> assertThat(piece.size()).isLessThanOrEqualTo(BatchFraming.PIECE_BYTES));
        long frameBytes =
                feeder.system().settings().config().getBytes("pekko.remote.artery.advanced.maximum-frame-size");
        assertThat(BatchFraming.PIECE_BYTES * 2L).isLessThanOrEqualTo(frameBytes);
    }

    /** It may overtake a batch that waits to be pulled, as failures of streams do. */
    @Test
    void aFailureArrivesWithItsCode() {
        Source<StepBatch, NotUsed> breaking = Source.from(List.of(batch(1, 4, 1, 1), batch(2, 4, 1, 1)))
                .concat(Source.failed(new IllegalStateException("row 17")));
        CompletionStage<List<StepBatch>> arrived = received(breaking).runWith(Sink.seq(), rank.system());
        assertThatThrownBy(() -> arrived.toCompletableFuture()
                        .orTimeout(30, TimeUnit.SECONDS)
                        .join())
                .isInstanceOf(CompletionException.class)
                .cause()
                .isInstanceOfSatisfying(
                        FaultException.class, told -> assertThat(told.fault()).isEqualTo(fault()));
    }

    @Test
    void aFeederThatIsFasterThanItsRankMakesNoMoreThanTheStatedBound() {
        int pieces = 4;
        int tokens =
                pieces * BatchFraming.PIECE_BYTES / Long.BYTES - 1000; // a column of this many fills so many pieces
        AtomicLong made = new AtomicLong();
        SinkQueueWithCancel<StepBatch> arrived = received(counted(made, tokens))
                .runWith(Sink.<StepBatch>queue().withAttributes(Attributes.inputBuffer(1, 1)), rank.system());
        // in flight; one that waits to be pulled; one that is put together, and one that is cut
        int bound = BatchFraming.PIECES_IN_FLIGHT / pieces + 3;
        TestProbe<Object> patience = rank.createTestProbe();
        patience.awaitAssert(
                Duration.ofSeconds(20), () -> assertThat(made.get()).isGreaterThanOrEqualTo(bound - 3L));
        for (long taken = 0; taken < 20; taken++) {
            patience.expectNoMessage(
                    Duration.ofMillis(20)); // a rank that computes, while the feeder could make hundreds
            assertThat(made.get()).isLessThanOrEqualTo(taken + bound);
            assertThat(pull(arrived).index()).isEqualTo(taken + 1);
        }
    }

    @Test
    void aStreamEndsWithTheProcessOfItsRank() {
        AtomicLong made = new AtomicLong();
        CompletableFuture<Object> ended = new CompletableFuture<>();
        Source<StepBatch, NotUsed> watched = counted(made, 10).watchTermination((unused, end) -> {
            end.whenComplete((done, failure) -> ended.complete("ended"));
            return unused;
        });
        received(watched).runWith(Sink.ignore(), rank.system());
        feeder.createTestProbe()
                .awaitAssert(
                        Duration.ofSeconds(20), () -> assertThat(made.get()).isPositive());
        rank.shutdownTestKit();
        assertThat(ended).succeedsWithin(Duration.ofSeconds(30));
    }

    /** Steps without end. */
    private static Source<StepBatch, NotUsed> counted(AtomicLong made, int tokens) {
        return Source.fromIterator(() -> LongStream.iterate(1, step -> step + 1).iterator())
                .map(step -> {
                    made.incrementAndGet();
                    return batch(step, tokens, 1, 2);
                });
    }

    /** From the feeder's system to the rank's. */
    private Source<StepBatch, NotUsed> received(Source<StepBatch, NotUsed> batches) {
        return atRank(BatchFraming.encode(batches, failure -> fault(), feeder.system())
                .runWith(BatchFraming.forRank(), feeder.system()));
    }

    private Source<StepBatch, NotUsed> atRank(SourceRef<ByteString> reference) {
        String address = StreamRefResolver.get(feeder.system()).toSerializationFormat(reference);
        return BatchFraming.decode(StreamRefResolver.get(rank.system()).resolveSourceRef(address), rank.system());
    }

    private static StepBatch pull(SinkQueueWithCancel<StepBatch> batches) {
        return batches.pull()
                .toCompletableFuture()
                .orTimeout(30, TimeUnit.SECONDS)
                .join()
                .orElseThrow();
    }

    private static StepBatch batch(long step, int tokens, int microBatches, int samples) {
        long[] numbers = new Random(step).longs(tokens).toArray();
        Batch batch = new Batch(List.of(Column.ofLongs(Batch.TOKENS, numbers, 1, tokens)));
        return new StepBatch(
                Feed.TRAIN,
                step,
                0.5,
                LongStream.range(0, samples).toArray(),
                (long) tokens * microBatches,
                step,
                IntStream.range(0, microBatches).mapToObj(i -> batch).toList(),
                false);
    }

    private static Fault fault() {
        return new Fault(FaultCode.DATA_CHANGED, "train.jsonl:17");
    }
}
