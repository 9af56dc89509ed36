// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.chorale.data.example.TokenizedExample;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Runs over two files of token ids: rows of a have one id below 100, rows of b two from 100 on. */
class SeveralSourcesTest {
    private static final int A = 40;
    private static final int B = 15;

    @TempDir
    Path folder;

    @BeforeEach
    void write() throws IOException {
        Files.writeString(folder.resolve("a.jsonl"), rows(A, "{\"input_ids\": [%1$d], \"n\": %1$d}"));
        Files.writeString(folder.resolve("b.jsonl"), rows(B, "{\"input_ids\": [%2$d, %2$d], \"n\": %1$d}"));
    }

    @Test
    void concatenatedSourcesAreAllSeenOnceInAnEpoch() throws IOException {
        try (RunData data = open("data.train.sources = [{ path = $a }, { path = $b }]")) {
            assertThat(seen(data, 1)).containsExactlyElementsOf(all());
            assertThat(data.describe(1, 0).examples()).isEqualTo(A + B);
        }
    }

    @Test
    void aSourceInAListIsReadAsByItsPathAlone() throws IOException {
        try (RunData alone = open("data.train.path = $a");
                RunData listed = open("data.train.sources = [{ path = $a }]")) {
            assertThat(order(listed, 2)).isEqualTo(order(alone, 2));
            assertThat(listed.describe(1, 0)).isEqualTo(alone.describe(1, 0));
        }
    }

    @Test
    void aMixStopsWithTheFirstSourceThatRunsOutAndGoesOnWithTheOthersInTheNextEpoch() throws IOException {
        try (RunData data =
                open("data.train { sources = [{ path = $a }, { path = $b }], mix = weighted, exhausted = stop }")) {
            List<Long> first = order(data, 1);
            assertThat(first).hasSizeBetween(2 * B, 2 * B + 1);
            assertThat(first.stream().filter(id -> id >= 100)).hasSize(B).doesNotHaveDuplicates();
            assertThat(order(data, 2).stream().filter(id -> id < 100))
                    .as("passes over a, of which an epoch sees only a part")
                    .hasSizeBetween(2 * B, 2 * B + 2)
                    .doesNotHaveDuplicates();
        }
    }

    @Test
    void aMixRepeatsWhatRunsOutUntilAllIsSeen() throws IOException {
        try (RunData data = open(
                "data.train { sources = [{ path = $a, weight = 3 }, { path = $b, weight = 1 }], mix = weighted }")) {
            assertThat(seen(data, 1))
                    .containsAll(IntStream.range(0, A).mapToObj(Long::valueOf).toList());
            assertThat(order(data, 1).stream().filter(id -> id >= 100).count() * 3.0)
                    .isBetween(A - 3.0, A + 3.0 * B);
            assertThat(data.steps()).isEqualTo(data.order().stepsOf(0));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"packing = true", "group-by-length = true", "packing = false"})
    void aMixIsTheSameForAnyRanksAndFromAnyStep(String how) throws IOException {
        String mix =
                "data.train { sources = [{ path = $a, weight = 0.7 }, { path = $b, weight = 0.3 }], mix = weighted }";
        try (RunData data = open(mix, "data { window = 16, global-batch = 4, " + how + " }");
                RunData again = open(mix, "data { window = 16, global-batch = 4, " + how + " }")) {
            for (long step = 2 * data.order().stepsOf(0); step >= 1; step--) {
                List<Long> whole = longs(data.order().step(step, 0, 1).examples());
                List<Long> parts = new ArrayList<>();
                for (int rank = 0; rank < 3; rank++) {
                    parts.addAll(longs(again.order().step(step, rank, 3).examples()));
                }
                assertThat(parts).isEqualTo(whole);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"share = 0.2", "rows = 11"})
    void heldOutRowsAreDisjointFromTheOthersAndAllIsThere(String split) throws IOException {
        for (String how : List.of("packing = false", "packing = true", "truncation = split")) {
            Set<Long> held;
            try (RunData data =
                    open("data.train.sources = [{ path = $a }, { path = $b }]", "data.eval." + split, "data." + how)) {
                held = ids(data.eval().orElseThrow());
                assertThat(held).hasSize(11);
                assertThat(held.stream().filter(id -> id >= 100))
                        .as("of b its share")
                        .hasSize(3);
                assertThat(seen(data, 1)).doesNotContainAnyElementsOf(held);
                Set<Long> both = seen(data, 1);
                both.addAll(held);
                assertThat(both).containsExactlyElementsOf(all());
                assertThat(data.train().count()).isEqualTo(A + B - 11);
                assertThat(data.describe(1, 0).evaluationExamples()).isEqualTo(11);
            }
            try (RunData other =
                    open("data.train.sources = [{ path = $a }, { path = $b }]", "data.eval." + split, "run.seed = 8")) {
                assertThat(ids(other.eval().orElseThrow()))
                        .as("for another seed")
                        .isEqualTo(held);
            }
        }
    }

    @Test
    void heldOutRowsAreNotTrainedInAMixEither() throws IOException {
        try (RunData data = open(
                "data.train { sources = [{ path = $a }, { path = $b }], mix = weighted }", "data.eval.rows = 20")) {
            assertThat(seen(data, 3))
                    .doesNotContainAnyElementsOf(ids(data.eval().orElseThrow()))
                    .hasSize(A + B - 20);
        }
    }

    @Test
    void aSplitThatLeavesNothingToTrainIsRefused() {
        assertThatThrownBy(() -> open("data.train.path = $a", "data.eval.rows = 40"))
                .hasMessageContaining("data.eval.rows = 40: would hold out all 40 rows of a training source");
    }

    @Test
    void sourcesOfHeldOutExamplesAreSeenOneBehindTheOther() throws IOException {
        try (RunData data = open(
                "data.train.path = $a",
                "data.eval.sources = [{ path = $b, filter = \"n < 3\" }, { path = $a, filter = \"n >= 38\" }]")) {
            assertThat(ids(data.eval().orElseThrow())).containsExactly(38L, 39L, 100L, 101L, 102L);
        }
    }

    @Test
    void eachSourceHasItsOwnFilterAndMap() throws IOException {
        try (RunData data = open("""
                data.train.sources = [
                  { path = $a, filter = "n % 2 == 0" }
                  { path = $b, filter = "n >= 10", map { input_ids = "[input_ids[0], n]" }, select = [input_ids] }
                ]
                """)) {
            assertThat(data.train().count()).isEqualTo(25);
            assertThat(data.train().read(20).tokens()).containsExactly(110, 10);
            assertThat(data.train().place(20).toString()).isEqualTo(folder.resolve("b.jsonl") + ":11");
            assertThat(seen(data, 1)).allMatch(id -> id >= 110 || (id < 100 && id % 2 == 0));
        }
    }

    @Test
    void aClassThatIsNotThereIsAConfigurationError() {
        assertThatThrownBy(() -> open("data.train.sources = [{ path = $a, transform = [{ type = shop.Filter }] }]"))
                .isInstanceOfSatisfying(FaultException.class, e -> {
                    assertThat(e.fault().code()).isEqualTo(FaultCode.CONFIG_INVALID);
                    assertThat(e.fault().message())
                            .startsWith("data.train.sources[0].transform[0]: shop.Filter is not on the class path");
                });
    }

    @Test
    void whateverChangesTheDataChangesItsFingerprint() throws IOException {
        List<String> runs = List.of(
                "data.train.path = $a",
                "data.train.sources = [{ path = $a }, { path = $b }]",
                "data.train.sources = [{ path = $b }, { path = $a }]",
                "data.train.sources = [{ path = $a, filter = \"n < 30\" }, { path = $b }]",
                "data.train.sources = [{ path = $a, filter = \"n < 31\" }, { path = $b }]",
                "data.train.sources = [{ path = $a, map { m = n } }, { path = $b }]",
                "data.train { sources = [{ path = $a, weight = 2 }, { path = $b }], mix = weighted }",
                "data.train { sources = [{ path = $a, weight = 3 }, { path = $b }], mix = weighted }",
                "data.train { sources = [{ path = $a, weight = 3 }, { path = $b }], mix = weighted, exhausted = stop }",
                "data.train.path = $a\ndata.eval.share = 0.1",
                "data.train.path = $a\ndata.eval.rows = 4");
        List<String> digests = new ArrayList<>();
        for (int i = 0; i < runs.size(); i++) {
            try (RunData data = open(runs.get(i), "run.dir = run-" + i)) {
                digests.add(data.describe(1, 0).digest());
            }
        }
        assertThat(digests).doesNotHaveDuplicates();
    }

    @Test
    void sourcesAreNamedBesideTheIndexWithTheNumbersOfTheirExamples() throws IOException {
        open("data.train.sources = [{ path = $a, filter = \"n < 30\" }, { path = $b }]")
                .close();
        JsonNode sources = new ObjectMapper()
                .readTree(folder.resolve("run/index/sources.json").toFile());
        assertThat(sources).hasSize(2);
        assertThat(sources.get(0).get("rows_filtered").asInt()).isEqualTo(10);
        assertThat(sources.get(1).get("key").asText()).isEqualTo("data.train.sources[1]");
        assertThat(sources.get(1).get("path").asText())
                .isEqualTo(folder.resolve("b.jsonl").toString());
        assertThat(sources.get(1).get("first_example").asInt()).isEqualTo(30);
    }

    private static String rows(int count, String row) {
        return IntStream.range(0, count)
                .mapToObj(i -> row.formatted(i, 100 + i) + "\n")
                .collect(Collectors.joining());
    }

    private static List<Long> all() {
        return LongStream.concat(LongStream.range(0, A), LongStream.range(100, 100 + B))
                .boxed()
                .toList();
    }

    /** The first id of every example, in the order of the run. */
    private static List<Long> order(RunData data, int epochs) {
        long steps = LongStream.range(0, epochs).map(data.order()::stepsOf).sum();
        return LongStream.rangeClosed(1, steps)
                .flatMap(step -> LongStream.of(data.order().step(step, 0, 1).examples()))
                .mapToObj(data.train()::read)
                .map(SeveralSourcesTest::id)
                .toList();
    }

    private static Set<Long> seen(RunData data, int epochs) {
        return new TreeSet<>(order(data, epochs));
    }

    private static Set<Long> ids(Corpus corpus) {
        return LongStream.range(0, corpus.count())
                .mapToObj(corpus::read)
                .map(SeveralSourcesTest::id)
                .collect(Collectors.toCollection(TreeSet::new));
    }

    private static long id(TokenizedExample example) {
        return example.tokens()[0];
    }

    private static List<Long> longs(long[] values) {
        return LongStream.of(values).boxed().toList();
    }

    private RunData open(String... lines) {
        List<String> all = new ArrayList<>(List.of(
                "run.dir = \"%s\"".formatted(folder.resolve("run")),
                "data { sequence-tokens = 64, global-batch = 4, micro-batch = 2 }"));
        for (String line : lines) {
            all.add(line.replace("$a", "\"" + folder.resolve("a.jsonl") + "\"")
                    .replace("$b", "\"" + folder.resolve("b.jsonl") + "\"")
                    .replace("run.dir = run", "run.dir = \"" + folder + "/\"run"));
        }
        return RunData.open(FeedSettings.read(RunConf.of(all.toArray(String[]::new))));
    }
}
