// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.typesafe.config.ConfigFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongFunction;
import java.util.stream.LongStream;
import org.apache.pekko.NotUsed;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.stream.Attributes;
import org.apache.pekko.stream.javadsl.Sink;
import org.apache.pekko.stream.javadsl.SinkQueueWithCancel;
import org.apache.pekko.stream.javadsl.Source;
import org.chorale.data.example.ExampleEncoder;
import org.chorale.data.example.MicroBatch;
import org.chorale.data.example.TokenizedExample;
import org.chorale.data.order.BatchOrder;
import org.chorale.data.order.ExampleOrder;
import org.chorale.data.order.PlainOrder;
import org.chorale.data.source.Example;
import org.chorale.data.tokenizer.TextTokenizer;
import org.chorale.data.tokenizer.Tokenizers;
import org.chorale.proto.batch.Batch;
import org.chorale.proto.batch.Column;
import org.chorale.proto.batch.Feed;
import org.chorale.proto.batch.StepBatch;
import org.chorale.proto.feed.BatchFraming;
import org.chorale.proto.kryo.KryoMessageSerializer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BatchStreamTest {
    private static final int EXAMPLES = 23;
    private static final ExampleOrder ORDER = new ExampleOrder(42, EXAMPLES);
    private static final BatchOrder PLAIN = new PlainOrder(ORDER, 8);

    private static ActorTestKit kit;
    private static TextTokenizer tokenizer;
    private static ExampleEncoder encoder;
    private static ExecutorService threads;

    @BeforeAll
    static void start() {
        kit = ActorTestKit.create(ConfigFactory.load());
        tokenizer = TextTokenizer.load(Tokenizers.byteLevel(), null);
        encoder = new ExampleEncoder(tokenizer, Optional.empty(), 32);
        threads = Executors.newFixedThreadPool(4);
    }

    @AfterAll
    static void stop() {
        kit.shutdownTestKit();
        threads.shutdownNow();
        tokenizer.close();
    }

    @Test
    void stepsFollowTheOrderOverTheEndOfAnEpoch() {
        List<StepBatch> steps = take(stream(4).training(PLAIN, BatchStreamTest::pair, 0, 0, 1), 6);
        assertThat(steps).extracting(StepBatch::index).containsExactly(1L, 2L, 3L, 4L, 5L, 6L);
        assertThat(steps.stream().map(step -> step.samples().length)).containsExactly(8, 8, 7, 8, 8, 7);
        assertThat(samples(steps))
                .isEqualTo(LongStream.range(0, 2L * EXAMPLES)
                        .map(position -> ORDER.example(position / EXAMPLES, position % EXAMPLES))
                        .boxed()
                        .toList());
        assertThat(steps)
                .extracting(StepBatch::epoch)
                .containsExactly(8.0 / 23, 16.0 / 23, 1.0, 31.0 / 23, 39.0 / 23, 2.0);
        assertThat(steps).allMatch(step -> step.feed() == Feed.TRAIN && !step.last());
    }

    @Test
    void aStepIsItsExamplesInMicroBatchesOfTokensAndLabels() {
        StepBatch step = take(stream(4).training(PLAIN, BatchStreamTest::pair, 2, 0, 1), 1)
                .get(0);
        assertThat(step.microBatches().stream()
                        .map(batch -> batch.column(Batch.TOKENS).shape()[0]))
                .containsExactly(3L, 3L, 1L);
        long[] tokens = pair(step.samples()[4]).tokens();
        Column second = step.microBatches().get(1).column(Batch.TOKENS);
        long[] row =
                Arrays.copyOfRange(second.longs(), (int) second.shape()[1], (int) second.shape()[1] + tokens.length);
        assertThat(row).isEqualTo(tokens);
        long trained = step.microBatches().stream()
                .flatMapToLong(batch -> LongStream.of(batch.column(Batch.LABELS).longs()))
                .filter(label -> label != Batch.IGNORED)
                .count();
        assertThat(step.tokens()).isGreaterThan(trained);
        assertThat(step.tokens())
                .isEqualTo(LongStream.of(step.samples())
                        .map(sample -> pair(sample).tokens().length)
                        .sum());
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 1, 2, 3, 7, 8})
    void aStreamThatStartsLaterGivesTheSameWhateverTheParallelism(long afterStep) {
        List<StepBatch> all = take(stream(1).training(PLAIN, BatchStreamTest::pair, 0, 0, 1), 12);
        for (int parallelism : new int[] {1, 3, 8}) {
            Source<StepBatch, NotUsed> later =
                    stream(parallelism).training(PLAIN, BatchStreamTest::unevenlyFast, afterStep, 0, 1);
            assertThat(take(later, (int) (12 - afterStep))).isEqualTo(all.subList((int) afterStep, 12));
        }
    }

    @Test
    void ranksTogetherSeeWhatOneRankSees() {
        List<StepBatch> alone = take(stream(4).training(PLAIN, BatchStreamTest::pair, 0, 0, 1), 6);
        for (int worldSize : new int[] {2, 3, 11}) {
            List<List<StepBatch>> ranks = new ArrayList<>();
            for (int rank = 0; rank < worldSize; rank++) {
                ranks.add(take(stream(4).training(PLAIN, BatchStreamTest::pair, 0, rank, worldSize), 6));
            }
            for (int step = 0; step < 6; step++) {
                int at = step;
                assertThat(samples(ranks.stream().map(steps -> steps.get(at)).toList()))
                        .isEqualTo(samples(List.of(alone.get(at))));
            }
        }
    }

    /** All ranks gather and reduce together, once in each micro-batch. */
    @Test
    void everyRankHasAsManyMicroBatchesInAStep() {
        BatchOrder odd = new PlainOrder(ORDER, 13); // steps of 13 and 10
        for (int worldSize = 1; worldSize <= 4; worldSize++) {
            for (int step = 0; step < 4; step++) {
                int most = ((step % 2 == 0 ? 13 : 10) + worldSize - 1) / worldSize;
                for (int rank = 0; rank < worldSize; rank++) {
                    StepBatch batch = take(stream(4).training(odd, BatchStreamTest::pair, step, rank, worldSize), 1)
                            .get(0);
                    assertThat(batch.microBatches()).hasSize((most + 2) / 3);
                }
            }
        }
    }

    @Test
    void everyRankHasAsManyBatchesInAnEvaluation() {
        for (long count : new long[] {0, 1, 2, 7, 10, 19}) {
            for (int worldSize = 1; worldSize <= 4; worldSize++) {
                List<StepBatch> together = new ArrayList<>();
                List<Integer> batches = new ArrayList<>();
                for (int rank = 0; rank < worldSize; rank++) {
                    List<StepBatch> part =
                            take(stream(4).evaluation(count, BatchStreamTest::pair, 0, rank, worldSize), 100);
                    assertThat(part.get(part.size() - 1).last()).isTrue();
                    batches.add(part.size());
                    together.addAll(part);
                }
                assertThat(batches).containsOnly(batches.get(0));
                assertThat(samples(together))
                        .isEqualTo(LongStream.range(0, count).boxed().toList());
            }
        }
    }

    @Test
    void aRankWithoutRowsGetsOneEmptyMicroBatch() {
        List<StepBatch> steps = take(stream(4).training(PLAIN, BatchStreamTest::pair, 0, 0, 11), 3);
        assertThat(steps).allSatisfy(step -> {
            assertThat(step.samples()).isEmpty();
            assertThat(step.microBatches()).hasSize(1);
            assertThat(step.microBatches().get(0).column(Batch.TOKENS).shape()).containsExactly(0, 1);
            assertThat(step.tokens()).isZero();
        });
    }

    @Test
    void anEvaluationGoesThroughTheFileOnceAndSaysWhereItEnds() {
        List<StepBatch> batches = take(stream(4).evaluation(8, BatchStreamTest::pair, 0, 0, 1), 100);
        assertThat(samples(batches)).isEqualTo(LongStream.range(0, 8).boxed().toList());
        assertThat(batches).extracting(StepBatch::index).containsExactly(1L, 2L, 3L);
        assertThat(batches).extracting(StepBatch::last).containsExactly(false, false, true);
        assertThat(batches).allMatch(batch -> batch.microBatches().size() == 1 && batch.feed() == Feed.EVALUATION);
        assertThat(take(stream(4).evaluation(8, BatchStreamTest::pair, 1, 0, 1), 100))
                .isEqualTo(batches.subList(1, 3));
    }

    @Test
    void ranksShareAnEvaluationAndEachHearsItsEnd() {
        List<StepBatch> together = new ArrayList<>();
        for (int rank = 0; rank < 3; rank++) {
            List<StepBatch> part = take(stream(4).evaluation(2, BatchStreamTest::pair, 0, rank, 3), 100);
            assertThat(part).hasSize(1).allMatch(StepBatch::last);
            together.addAll(part);
        }
        assertThat(samples(together)).containsExactly(0L, 1L);
    }

    @Test
    void aStreamThatNobodyPullsFromStopsAtItsBound() throws Exception {
        int parallelism = 3;
        AtomicInteger read = new AtomicInteger();
        Semaphore reads = new Semaphore(0);
        LongFunction<TokenizedExample> counting = sample -> {
            read.incrementAndGet();
            reads.release();
            return pair(sample);
        };
        SinkQueueWithCancel<StepBatch> queue = stream(parallelism)
                .training(new PlainOrder(new ExampleOrder(1, 1_000_000), 8), counting, 0, 0, 1)
                .runWith(Sink.<StepBatch>queue().withAttributes(Attributes.inputBuffer(1, 1)), kit.system());

        // prefetch (2) and the sink's one are filled for sure: 3 steps of 8
        assertThat(reads.tryAcquire(24, 20, TimeUnit.SECONDS)).isTrue();
        // at most: 2 in the buffer, 1 gathered, 1 in the sink, and 3 micro-batches of 3
        int bound = (2 + 1 + 1) * 8 + parallelism * 3;
        assertThat(reads.tryAcquire(bound - 24 + 1, 500, TimeUnit.MILLISECONDS)).isFalse();
        assertThat(read.get()).isLessThanOrEqualTo(bound);

        int before = read.get();
        for (int pulls = 1; pulls <= 5; pulls++) {
            assertThat(pull(queue)).isPresent();
            assertThat(read.get()).isLessThanOrEqualTo(before + bound + pulls * 8);
        }
        queue.cancel();
    }

    @Test
    void tasksRunAtTheSameTimeButNoMoreThanAllowed() throws Exception {
        CountDownLatch three = new CountDownLatch(3);
        AtomicInteger running = new AtomicInteger();
        ConcurrentLinkedQueue<Integer> most = new ConcurrentLinkedQueue<>();
        LongFunction<TokenizedExample> meeting = sample -> {
            most.add(running.incrementAndGet());
            three.countDown();
            await(three);
            running.decrementAndGet();
            return pair(sample);
        };
        take(stream(3).training(PLAIN, meeting, 0, 0, 1), 3);
        assertThat(most).contains(3).allMatch(tasks -> tasks <= 3);
    }

    /** Packed, one token a document: as many samples as tokens. */
    @Test
    void theLargestMicroBatchFitsIntoAFrame() {
        int tokens = DataConfig.MAX_MICRO_BATCH_TOKENS;
        List<List<TokenizedExample>> sequences =
                List.of(Collections.nCopies(tokens, new TokenizedExample(new long[] {1}, new long[] {1}, 0)));
        StepBatch step = new StepBatch(
                Feed.TRAIN,
                1,
                1,
                LongStream.range(0, tokens).toArray(),
                tokens,
                0,
                List.of(MicroBatch.packed(sequences, 0).batch()),
                false);
        long bytes = BatchFraming.encode(Source.single(step), DataFaults::of, kit.system())
                .runWith(Sink.fold(0L, (sum, piece) -> sum + piece.size()), kit.system())
                .toCompletableFuture()
                .orTimeout(30, TimeUnit.SECONDS)
                .join();
        assertThat(bytes)
                .isGreaterThan(5L * Long.BYTES * tokens)
                .isLessThanOrEqualTo(KryoMessageSerializer.MAX_FRAME_BYTES);
    }

    @Test
    void aRowThatCannotBeReadEndsTheStreamAfterAllStepsBeforeItsOwn() throws Exception {
        long broken = take(stream(4).training(PLAIN, BatchStreamTest::pair, 0, 0, 1), 3)
                .get(2)
                .samples()[5];
        CountDownLatch hasFailed = new CountDownLatch(1);
        LongFunction<TokenizedExample> breaking = sample -> {
            if (sample == broken) {
                hasFailed.countDown();
                throw new IllegalStateException("row " + sample);
            }
            return pair(sample);
        };
        SinkQueueWithCancel<StepBatch> queue = stream(8)
                .training(PLAIN, breaking, 0, 0, 1)
                .runWith(Sink.<StepBatch>queue().withAttributes(Attributes.inputBuffer(1, 1)), kit.system());
        await(hasFailed); // before any batch is asked for
        for (long step = 1; step <= 2; step++) {
            assertThat(pull(queue))
                    .hasValueSatisfying(batch -> assertThat(batch.samples()).hasSize(8));
        }
        assertThatThrownBy(() -> pull(queue)).hasStackTraceContaining("row " + broken);
    }

    private static Optional<StepBatch> pull(SinkQueueWithCancel<StepBatch> queue) throws Exception {
        return queue.pull().toCompletableFuture().get(20, TimeUnit.SECONDS);
    }

    private static BatchStream stream(int parallelism) {
        DataConfig config = FeedSettings.read(RunConf.of(
                        "run.dir = /r",
                        "model.path = /m",
                        "data { train.path = /t.jsonl, global-batch = 8, micro-batch = 3, prefetch-batches = 2 }"))
                .data();
        return new BatchStream(config, tokenizer.pad(), threads, parallelism);
    }

    private static TokenizedExample pair(long sample) {
        return encoder.encode(new Example.Pair("example " + "x".repeat((int) (sample % 5)), " " + sample));
    }

    /** Later rows are ready before earlier ones. */
    private static TokenizedExample unevenlyFast(long sample) {
        long spins = sample % 3 == 0 ? 200_000 : 0;
        assertThat(LongStream.range(0, spins).map(i -> i ^ i >> 3).sum()).isNotEqualTo(-1);
        return pair(sample);
    }

    private static List<StepBatch> take(Source<StepBatch, NotUsed> stream, int steps) {
        CompletionStage<List<StepBatch>> taken = stream.take(steps).runWith(Sink.seq(), kit.system());
        return taken.toCompletableFuture().orTimeout(30, TimeUnit.SECONDS).join();
    }

    private static List<Long> samples(List<StepBatch> steps) {
        return steps.stream()
                .flatMapToLong(step -> LongStream.of(step.samples()))
                .boxed()
                .toList();
    }

    private static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(20, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
