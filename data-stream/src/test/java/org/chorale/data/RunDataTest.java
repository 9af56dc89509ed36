// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.stream.javadsl.Sink;
import org.chorale.data.example.TokenizedExample;
import org.chorale.data.measure.Totals;
import org.chorale.data.tokenizer.Tokenizers;
import org.chorale.proto.batch.Batch;
import org.chorale.proto.batch.StepBatch;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RunDataTest {
    private static final int ROWS = 200;
    private static final int CAPACITY = 64;
    private static final String PACKED = "data { packing = true, window = 50, global-batch = 5, micro-batch = 2 }";
    private static final String CHAT = """
            {"messages": [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Hello, world!"}]}
            """;

    private static ActorTestKit kit;

    @TempDir
    Path folder;

    @BeforeAll
    static void start() {
        kit = ActorTestKit.create(ConfigFactory.load());
    }

    @AfterAll
    static void stop() {
        kit.shutdownTestKit();
    }

    @Test
    void aPackedSequenceIsItsDocumentsOneBehindTheOther() throws IOException {
        try (RunData data = open(mixedRows(), PACKED)) {
            for (StepBatch step : steps(data, 0, 0, 1, 12)) {
                List<TokenizedExample> documents = LongStream.of(step.samples())
                        .mapToObj(data.train()::read)
                        .toList();
                assertThat(documentsOf(step))
                        .isEqualTo(documents.stream()
                                .map(document ->
                                        Arrays.toString(document.tokens()) + Arrays.toString(firstIgnored(document)))
                                .toList());
                assertThat(step.tokens())
                        .isEqualTo(documents.stream()
                                .mapToLong(document -> document.tokens().length)
                                .sum());
            }
        }
    }

    @Test
    void packedStreamsAreTheSameForAnyRanksAndFromAnyStep() throws IOException {
        try (RunData data = open(mixedRows(), PACKED)) {
            List<StepBatch> all = steps(data, 0, 0, 1, 25);
            assertThat(all.get(24).epoch()).as("goes over the end of an epoch").isGreaterThan(1);
            for (long afterStep : new long[] {1, 7, 11, 24}) {
                assertThat(steps(data, afterStep, 0, 1, (int) (25 - afterStep)))
                        .isEqualTo(all.subList((int) afterStep, 25));
            }
            for (int worldSize : new int[] {2, 3, 8}) {
                List<List<StepBatch>> ranks = new ArrayList<>();
                for (int rank = 0; rank < worldSize; rank++) {
                    ranks.add(steps(data, 0, rank, worldSize, 25));
                }
                for (int step = 0; step < 25; step++) {
                    List<String> together = new ArrayList<>();
                    for (List<StepBatch> rank : ranks) {
                        together.addAll(documentsOf(rank.get(step)));
                    }
                    assertThat(together).isEqualTo(documentsOf(all.get(step)));
                }
            }
        }
        try (RunData again = open(mixedRows(), PACKED)) {
            assertThat(steps(again, 3, 0, 1, 5)).hasSize(5);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {PACKED, "data { group-by-length = true, global-batch = 7 }", "data.global-batch = 7"})
    void aRunOfAnEpochSeesEveryExampleOnceAndSaysItsSteps(String settings) throws IOException {
        for (long seed = 0; seed < 5; seed++) {
            try (RunData data = open(mixedRows(), settings, "run.seed = " + seed)) {
                List<StepBatch> steps = steps(data, 0, 0, 1, (int) data.steps());
                assertThat(data.describe(1, 0).steps()).isEqualTo(steps.size());
                assertThat(steps.get(steps.size() - 1).epoch()).isEqualTo(1.0);
                Set<Long> seen = new HashSet<>();
                steps.stream()
                        .flatMapToLong(step -> LongStream.of(step.samples()))
                        .forEach(seen::add);
                assertThat(seen).hasSize(ROWS);
                assertThat(steps.stream()
                                .mapToInt(step -> step.samples().length)
                                .sum())
                        .isEqualTo(ROWS);
            }
        }
    }

    @Test
    void stepsOverruleEpochs() throws IOException {
        try (RunData data = open(mixedRows(), PACKED, "run.steps = 3")) {
            assertThat(data.describe(1, 0).steps()).isEqualTo(3);
        }
    }

    @Test
    void groupingPadsLessAndPackingLeast() throws IOException {
        Map<String, Double> padding = new HashMap<>();
        for (String how : List.of("packing = true", "group-by-length = true", "packing = false")) {
            try (RunData data = open(mixedRows(), "data { global-batch = 8, micro-batch = 8, " + how + " }")) {
                padding.put(how, DataReport.sampled(data).tokens().orElseThrow().padding());
            }
        }
        assertThat(padding.get("packing = true")).isLessThan(0.1);
        assertThat(padding.get("group-by-length = true")).isLessThan(0.1);
        assertThat(padding.get("packing = false")).isGreaterThan(0.3);
    }

    @Test
    void ofAConversationTheAssistantIsTrainedOrAllOfIt() throws IOException {
        Path rows = rows(CHAT + "{\"text\": \"plain\"}\n");
        try (RunData data = open(rows, template())) {
            TokenizedExample chat = data.train().read(0);
            assertThat(data.tokenizer().decode(chat.tokens(), false))
                    .isEqualTo("<|im_start|>user\nHello?<|im_end|>\n<|im_start|>assistant\nHello, world!<|im_end|>\n");
            long[] trained = LongStream.of(chat.labels())
                    .filter(label -> label != Batch.IGNORED)
                    .toArray();
            assertThat(data.tokenizer().decode(trained, false)).isEqualTo("Hello, world!<|im_end|>");
            assertThat(data.train().read(1).labels()).doesNotContain(Batch.IGNORED);
        }
        try (RunData data = open(rows, template(), "data.chat.train-on = all")) {
            assertThat(data.train().read(0).labels())
                    .isEqualTo(data.train().read(0).tokens());
        }
    }

    @Test
    void aRowThatTheTemplateRefusesIsMalformed() throws IOException {
        Path rows = rows(CHAT + "\n" + CHAT.replace("\"user\"", "\"bad\"") + CHAT);
        assertThatThrownBy(() -> open(rows, template())).isInstanceOfSatisfying(FaultException.class, e -> {
            assertThat(e.fault().code()).isEqualTo(FaultCode.DATA_MALFORMED);
            assertThat(e.fault().message())
                    .startsWith(rows + ":3: the chat template refuses the row: ")
                    .contains("Unknown role bad");
        });
        try (RunData data = open(rows, template(), "data.malformed-rows = skip")) {
            assertThat(data.describe(1, 0).examples()).isEqualTo(2);
            assertThat(data.describe(1, 0).rowsSkipped()).isEqualTo(1);
            assertThat(row(data, 1)).isEqualTo(2);
        }
    }

    @Test
    void aConversationWithoutAnAssistantHasNothingToTrain() throws IOException {
        Path rows = rows(CHAT.replace("assistant", "system"));
        assertThatThrownBy(() -> open(rows, template()))
                .hasMessageContaining(rows + ":1: messages has no message with role assistant");
        open(rows, template(), "data.chat.train-on = all").close();
    }

    @Test
    void anotherTemplateIsOtherData() throws IOException {
        Path rows = rows(CHAT);
        String before;
        try (RunData data = open(rows, template())) {
            before = data.describe(1, 0).digest();
        }
        Path other = Files.writeString(folder.resolve("other.jinja"), Files.readString(Tokenizers.chatml()) + " ");
        try (RunData data = open(rows, "data.chat.template = \"" + other + "\"")) {
            assertThat(data.describe(1, 0).digest()).isNotEqualTo(before);
        }
    }

    @Test
    void aTemplateThatNothingAsksForIsRefused() throws IOException {
        Path rows = rows("{\"text\": \"x\"}\n");
        assertThatThrownBy(() -> open(rows, template()))
                .hasMessageContaining("data.chat.template = ")
                .hasMessageContaining("no row of the data has messages");
    }

    @Test
    void anOverlongRowIsMalformedWhereNothingShallBeCut() throws IOException {
        Path rows = rows("{\"text\": \"short\"}\n{\"text\": \"" + "Hello, world! ".repeat(50) + "\"}\n");
        assertThatThrownBy(() -> open(rows, "data.truncation = error"))
                .isInstanceOfSatisfying(FaultException.class, e -> {
                    assertThat(e.fault().code()).isEqualTo(FaultCode.DATA_MALFORMED);
                    assertThat(e.fault().message())
                            .matches("(?s).*:2: the row has \\d{3} tokens; data.sequence-tokens = 64, and data.*");
                });
        try (RunData data = open(rows, "data.truncation = error", "data.malformed-rows = skip")) {
            assertThat(data.train().count()).isEqualTo(1);
        }
    }

    @Test
    void aSplitRowGoesOnAndEveryLabelIsPredictedOnce() throws IOException {
        String text = "Hello, world! ".repeat(50);
        Path rows = rows("{\"text\": \"short\"}\n{\"text\": \"" + text + "\"}\n{\"prompt\": \"" + text
                + "\", \"completion\": \"" + text + "\"}\n");
        try (RunData cut = open(rows, "data.sequence-tokens = 4096");
                RunData split = open(rows, "data.truncation = split")) {
            assertThat(row(split, 0)).isZero();
            for (long row = 1; row < 3; row++) {
                TokenizedExample whole = cut.train().read(row);
                List<Long> labels = new ArrayList<>();
                for (long piece = 0; piece < split.train().count(); piece++) {
                    if (row(split, piece) == row) {
                        TokenizedExample tokens = split.train().read(piece);
                        assertThat(tokens.tokens()).hasSize(split.train().tokens(piece));
                        assertThat(tokens.tokens().length).isLessThanOrEqualTo(CAPACITY);
                        assertThat(tokens.trainedTokens()).isPositive();
                        LongStream.of(tokens.labels())
                                .skip(1)
                                .filter(label -> label != Batch.IGNORED)
                                .forEach(labels::add);
                    }
                }
                assertThat(labels)
                        .isEqualTo(LongStream.of(whole.labels())
                                .skip(1)
                                .filter(label -> label != Batch.IGNORED)
                                .boxed()
                                .toList());
            }
            Totals totals = split.train().totals().orElseThrow();
            assertThat(totals.splitRows()).isEqualTo(2);
            assertThat(totals.tokensCut()).isZero();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"train.lengths", "train.lengths.pieces"})
    void aCorruptLengthsFileIsMadeAnew(String name) throws IOException {
        Path rows = rows("{\"text\": \"" + "Hello, world! ".repeat(50) + "\"}\n");
        String[] settings = {"data.truncation = split", "data.packing = true"};
        open(rows, settings).close();
        Path file = folder.resolve("run/index").resolve(name);
        byte[] whole = Files.readAllBytes(file);
        for (int at = 0; at < whole.length; at += Math.max(1, whole.length / 9)) {
            byte[] corrupt = whole.clone();
            corrupt[at] ^= 0x10;
            Files.write(file, corrupt);
            open(rows, settings).close();
            assertThat(Files.readAllBytes(file)).isEqualTo(whole);
        }
        for (int bytes : new int[] {0, 10, whole.length - 1}) {
            Files.write(file, Arrays.copyOf(whole, bytes));
            open(rows, settings).close();
            assertThat(Files.readAllBytes(file)).isEqualTo(whole);
        }
        Files.delete(file);
        open(rows, settings).close();
        assertThat(Files.readAllBytes(file)).isEqualTo(whole);
    }

    @Test
    void lengthsOfOtherSettingsAreMeasuredAnewAndOfTheSameOnesKept() throws IOException {
        Path rows = mixedRows();
        Path file = folder.resolve("run/index/train.lengths");
        open(rows, "data.packing = true").close();
        Object made = Files.readAttributes(file, "unix:ino").get("ino");
        open(rows, "data.packing = true", "data.window = 7", "run.seed = 8").close();
        assertThat(Files.readAttributes(file, "unix:ino").get("ino")).isEqualTo(made);
        try (RunData data = open(rows, "data.packing = true", "data.sequence-tokens = 32")) {
            assertThat(IntStream.range(0, ROWS).map(data.train()::tokens).max().orElseThrow())
                    .isEqualTo(32);
        }
    }

    @Test
    void theReportSaysWhatTheDataIs() throws IOException {
        Path rows =
                rows(CHAT + CHAT.replace("Hello, world!", "Hello, world! ".repeat(40)) + CHAT.replace("user", "bad"));
        try (RunData data = open(rows, template(), "data.malformed-rows = skip")) {
            List<String> lines = DataReport.known(data).lines();
            assertThat(lines).anySatisfy(line -> assertThat(line).contains("2 examples, 1 rows left out"));
            assertThat(lines).anySatisfy(line -> assertThat(line).contains("1 examples, at least "));
            assertThat(folder.resolve("run/index/report.txt")).hasContent(String.join("\n", lines));
        }
    }

    @Test
    void anEvaluationIsNeitherPackedNorGrouped() throws IOException {
        Path rows = mixedRows();
        try (RunData data = open(rows, PACKED, "data.eval.path = \"" + rows + "\"")) {
            List<StepBatch> batches = stream(data)
                    .evaluation(data.eval().orElseThrow().count(), data.eval().orElseThrow()::read, 0, 0, 1)
                    .runWith(Sink.seq(), kit.system())
                    .toCompletableFuture()
                    .orTimeout(30, TimeUnit.SECONDS)
                    .join();
            assertThat(batches).hasSize(ROWS / 2);
            assertThat(batches.get(0).samples()).containsExactly(0, 1);
            assertThat(batches).allMatch(batch -> !batch.microBatches().get(0).has(Batch.DOCUMENTS));
        }
    }

    private static long row(RunData data, long example) {
        return data.train().parts().get(0).examples().row(example);
    }

    private static long[] firstIgnored(TokenizedExample document) {
        long[] labels = document.labels().clone();
        labels[0] = Batch.IGNORED;
        return labels;
    }

    /** Cuts the sequences of a step into tokens and labels of each document, and checks everything around them. */
    private static List<String> documentsOf(StepBatch step) {
        List<String> found = new ArrayList<>();
        for (Batch batch : step.microBatches()) {
            long[] shape = batch.column(Batch.TOKENS).shape();
            long[] tokens = batch.column(Batch.TOKENS).longs();
            long[] labels = batch.column(Batch.LABELS).longs();
            long[] positions = batch.column(Batch.POSITIONS).longs();
            long[] documents = batch.column(Batch.DOCUMENTS).longs();
            for (int row = 0; row < shape[0]; row++) {
                int at = row * (int) shape[1];
                int end = at + (int) shape[1];
                for (long document = 0; at < end && documents[at] >= 0; document++) {
                    int from = at;
                    while (at < end && documents[at] == document) {
                        assertThat(positions[at]).isEqualTo(at - from);
                        at++;
                    }
                    assertThat(at).isGreaterThan(from);
                    found.add(Arrays.toString(Arrays.copyOfRange(tokens, from, at))
                            + Arrays.toString(Arrays.copyOfRange(labels, from, at)));
                }
                assertThat(LongStream.of(documents).skip(at).limit(end - at)).allMatch(document -> document == -1);
                assertThat(LongStream.of(labels).skip(at).limit(end - at)).allMatch(label -> label == Batch.IGNORED);
            }
        }
        return found;
    }

    private static List<StepBatch> steps(RunData data, long afterStep, int rank, int worldSize, int count) {
        return stream(data)
                .training(data.order(), data.train()::read, afterStep, rank, worldSize)
                .take(count)
                .runWith(Sink.seq(), kit.system())
                .toCompletableFuture()
                .orTimeout(30, TimeUnit.SECONDS)
                .join();
    }

    private static BatchStream stream(RunData data) {
        return new BatchStream(data.settings().data(), data.tokenizer().pad(), ForkJoinPool.commonPool(), 3);
    }

    private RunData open(Path rows, String... settings) {
        List<String> lines = new ArrayList<>(List.of(
                "run.dir = \"" + folder.resolve("run") + "\"",
                "model.path = \"" + Tokenizers.byteLevel() + "\"",
                "data.train.path = \"" + rows + "\"",
                "data.sequence-tokens = " + CAPACITY));
        lines.addAll(List.of(settings));
        return RunData.open(FeedSettings.read(RunConf.of(lines.toArray(String[]::new))));
    }

    private static String template() {
        return "data.chat.template = \"" + Tokenizers.chatml() + "\"";
    }

    private Path rows(String contents) throws IOException {
        return Files.writeString(folder.resolve("rows.jsonl"), contents);
    }

    /** Texts and pairs of 3 to about 80 tokens, most of them short. */
    private Path mixedRows() throws IOException {
        Random random = new Random(5);
        StringBuilder rows = new StringBuilder();
        for (int i = 0; i < ROWS; i++) {
            String words = "Hello, world! ".repeat(1 + (int) (8 * Math.pow(random.nextDouble(), 3)));
            rows.append(
                    i % 2 == 0
                            ? "{\"text\": \"%d %s\"}\n".formatted(i, words)
                            : "{\"prompt\": \"%d?\", \"completion\": \"%s\"}\n".formatted(i, words));
        }
        return rows(rows.toString());
    }
}
