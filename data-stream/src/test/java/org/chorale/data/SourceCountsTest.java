// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.stream.javadsl.Sink;
import org.chorale.proto.batch.SourceCount;
import org.chorale.proto.batch.StepBatch;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What of each step is of which of two sources: rows of a have one token, rows of b two. */
class SourceCountsTest {
    private static final int A = 40;
    private static final int B = 15;
    private static final int STEPS = 25;
    private static final String MIX =
            "data.train { sources = [{ path = $a, weight = 2 }, { path = $b, weight = 1 }], mix = weighted }";

    private static ActorTestKit kit;

    @TempDir
    static Path folder;

    @BeforeAll
    static void start() throws IOException {
        kit = ActorTestKit.create(ConfigFactory.load());
        Files.writeString(folder.resolve("a.jsonl"), rows(A, "{\"input_ids\": [%d]}"));
        Files.writeString(folder.resolve("b.jsonl"), rows(B, "{\"input_ids\": [7, %d]}"));
    }

    @AfterAll
    static void stop() {
        kit.shutdownTestKit();
    }

    @ParameterizedTest
    @ValueSource(strings = {"packing = false", "packing = true, sequence-tokens = 4", "group-by-length = true"})
    void theExamplesAndTokensOfASourceAreThoseOfItsSamplesForAnyRanksAndFromAnyStep(String how) throws IOException {
        try (RunData data = open(MIX, "data { window = 16, " + how + " }")) {
            List<StepBatch> whole = steps(data, 0, 0, 1);
            List<List<StepBatch>> ranks = IntStream.range(0, 3)
                    .mapToObj(rank -> steps(data, 0, rank, 3))
                    .toList();
            for (int step = 0; step < STEPS; step++) {
                StepBatch batch = whole.get(step);
                long ofA = LongStream.of(batch.samples()).filter(i -> i < A).count();
                long ofB = batch.samples().length - ofA;
                assertThat(batch.sources()).containsExactly(new SourceCount(ofA, ofA), new SourceCount(ofB, 2 * ofB));
                assertThat(SourceCount.sum(sources(ranks, step))).isEqualTo(batch.sources());
            }
            assertThat(steps(data, 11, 0, 1).get(0)).isEqualTo(whole.get(11));
        }
    }

    @Test
    void aSingleSourceIsNotCounted() throws IOException {
        try (RunData data = open("data.train.sources = [{ path = $a }]")) {
            assertThat(steps(data, 0, 0, 1))
                    .allSatisfy(step -> assertThat(step.sources()).isEmpty());
        }
    }

    private static List<List<SourceCount>> sources(List<List<StepBatch>> ranks, int step) {
        return ranks.stream().map(rank -> rank.get(step).sources()).toList();
    }

    /** The next ones, as a feeder makes them. */
    private static List<StepBatch> steps(RunData data, long afterStep, int rank, int worldSize) {
        return new BatchStream(data.settings().data(), data.tokenizer().pad(), Runnable::run, 1)
                .training(data.order(), data.train()::read, data.train().sources(), afterStep, rank, worldSize)
                .take(STEPS)
                .runWith(Sink.seq(), kit.system())
                .toCompletableFuture()
                .orTimeout(30, TimeUnit.SECONDS)
                .join();
    }

    private static RunData open(String... lines) {
        List<String> all = new ArrayList<>(List.of(
                "run.dir = \"%s\"".formatted(folder.resolve("run")),
                "data { sequence-tokens = 64, global-batch = 5, micro-batch = 2 }"));
        for (String line : lines) {
            all.add(line.replace("$a", "\"" + folder.resolve("a.jsonl") + "\"")
                    .replace("$b", "\"" + folder.resolve("b.jsonl") + "\""));
        }
        return RunData.open(FeedSettings.read(RunConf.of(all.toArray(String[]::new))));
    }

    private static String rows(int count, String row) {
        return IntStream.range(0, count).mapToObj(i -> row.formatted(i) + "\n").collect(Collectors.joining());
    }
}
