// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.ConfigFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.TimeUnit;
import java.util.function.LongFunction;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.apache.pekko.NotUsed;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.stream.javadsl.Sink;
import org.apache.pekko.stream.javadsl.Source;
import org.chorale.data.example.ExampleEncoder;
import org.chorale.data.example.Learning;
import org.chorale.data.example.TokenizedExample;
import org.chorale.data.order.BatchOrder;
import org.chorale.data.order.ExampleOrder;
import org.chorale.data.order.PlainOrder;
import org.chorale.data.source.Example;
import org.chorale.data.tokenizer.TextTokenizer;
import org.chorale.data.tokenizer.Tokenizers;
import org.chorale.proto.batch.Batch;
import org.chorale.proto.batch.StepBatch;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Batches of preferences, on one rank and on many. */
class PreferenceStreamTest {
    private static final int EXAMPLES = 22;
    private static final ExampleOrder ORDER = new ExampleOrder(7, EXAMPLES);
    private static final BatchOrder PLAIN = new PlainOrder(ORDER, 7); // the last step of an epoch has one example

    private static ActorTestKit kit;
    private static TextTokenizer tokenizer;

    @BeforeAll
    static void start() {
        kit = ActorTestKit.create(ConfigFactory.load());
        tokenizer = TextTokenizer.load(Tokenizers.byteLevel(), null);
    }

    @AfterAll
    static void stop() {
        kit.shutdownTestKit();
        tokenizer.close();
    }

    @ParameterizedTest
    @EnumSource(names = {"PAIRS", "RATINGS"})
    void ranksTogetherSeeWhatOneRankSees(Learning learning) {
        List<String> alone = rows(take(training(learning, 0, 1), 5));
        assertThat(alone).hasSize(2 * (EXAMPLES + 7));
        for (int worldSize : new int[] {2, 3, 9}) {
            List<List<StepBatch>> ranks = new ArrayList<>();
            for (int rank = 0; rank < worldSize; rank++) {
                ranks.add(take(training(learning, rank, worldSize), 5));
            }
            List<StepBatch> inOrder = IntStream.range(0, 5)
                    .boxed()
                    .flatMap(step -> ranks.stream().map(steps -> steps.get(step)))
                    .toList();
            assertThat(rows(inOrder)).isEqualTo(alone);
        }
    }

    @Test
    void theMismatchedAnswerIsThatOfTheNextExampleOfTheStep() {
        List<StepBatch> steps = take(training(Learning.RATINGS, 0, 1), 4);
        for (int step = 0; step < 3; step++) {
            long[] samples = steps.get(step).samples();
            List<String> rows = rows(List.of(steps.get(step)));
            for (int i = 0; i < samples.length; i++) {
                assertThat(rows.get(2 * i + 1))
                        .isEqualTo("example " + samples[i] + ": " + samples[(i + 1) % samples.length] + ".");
            }
        }
        long only = steps.get(3).samples()[0];
        long next = ORDER.example(1, 0);
        assertThat(rows(steps.subList(3, 4)))
                .containsExactly("example " + only + ": " + only + ".", "example " + only + ": " + next + ".");
    }

    @Test
    void anEvaluationPairsNeighboursOfTheSourceWhateverTheRanks() {
        List<String> alone = rows(evaluation(0, 1));
        List<String> together = IntStream.range(0, 4)
                .boxed()
                .flatMap(rank -> rows(evaluation(rank, 4)).stream())
                .toList();
        assertThat(together).isEqualTo(alone).hasSize(2 * 10);
        assertThat(alone.get(19)).isEqualTo("example 9: 0.");
    }

    private static List<StepBatch> evaluation(int rank, int worldSize) {
        return take(stream(Learning.RATINGS).evaluation(10, examples(Learning.RATINGS), 0, rank, worldSize), 100);
    }

    private static Source<StepBatch, NotUsed> training(Learning learning, int rank, int worldSize) {
        return stream(learning).training(PLAIN, examples(learning), 0, rank, worldSize);
    }

    private static BatchStream stream(Learning learning) {
        DataConfig config = FeedSettings.read(RunConf.of(
                        "run.dir = /r",
                        "model.path = /m",
                        "data { train.path = /t.jsonl, global-batch = 7, micro-batch = 3, prefetch-batches = 2 }"))
                .data();
        return new BatchStream(config, learning, tokenizer.pad(), ForkJoinPool.commonPool(), 3);
    }

    private static LongFunction<TokenizedExample> examples(Learning learning) {
        ExampleEncoder encoder = new ExampleEncoder(tokenizer, Optional.empty(), 32, learning);
        return example -> encoder.encode(
                learning == Learning.PAIRS
                        ? new Example.Preference(answer(example, "."), answer(example, "?!"))
                        : new Example.Rated(answer(example, "."), example % 3 == 0));
    }

    private static Example.Pair answer(long example, String end) {
        return new Example.Pair("example " + example, ": " + example + end);
    }

    private static List<StepBatch> take(Source<StepBatch, NotUsed> stream, int steps) {
        return stream.take(steps)
                .runWith(Sink.seq(), kit.system())
                .toCompletableFuture()
                .orTimeout(30, TimeUnit.SECONDS)
                .join();
    }

    /** The text of every sequence. */
    private static List<String> rows(List<StepBatch> steps) {
        List<String> rows = new ArrayList<>();
        for (StepBatch step : steps) {
            for (Batch batch : step.microBatches()) {
                long[] lengths = batch.column(Batch.LENGTHS).longs();
                int width = (int) batch.column(Batch.TOKENS).shape()[1];
                long[] tokens = batch.column(Batch.TOKENS).longs();
                for (int i = 0; i < lengths.length; i++) {
                    long[] row = Arrays.copyOfRange(tokens, i * width, i * width + (int) lengths[i]);
                    rows.add(tokenizer.decode(row, true));
                }
                assertThat(LongStream.of(batch.column(Batch.EXAMPLES).longs())
                                        .distinct()
                                        .count()
                                * 2)
                        .isEqualTo(lengths.length);
            }
        }
        return rows;
    }
}
