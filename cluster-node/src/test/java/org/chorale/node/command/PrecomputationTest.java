// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SortedMap;
import java.util.stream.Stream;
import org.chorale.proto.reference.LogProbabilities;
import org.chorale.proto.reference.LogProbabilitiesWriter;
import org.chorale.proto.reference.SequenceKey;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The recipe of preferences with a reference that ran before it, and what becomes of a file that does not fit. */
final class PrecomputationTest {
    private static final Path RECIPES = Path.of(
            Objects.requireNonNull(System.getProperty("chorale.root"), "surefire sets chorale.root"),
            "deploy",
            "recipes");
    private static final List<String> WHOLE_MODEL =
            List.of("model.adapter.type=none", "model.adapter.rank=null", "model.adapter.alpha=null");

    @TempDir
    Path folder;

    private final Shell shell = new Shell();
    private List<Path> data = List.of(); // pairs to train on, and held-out ones

    @BeforeEach
    void writeData() throws IOException {
        data = List.of(
                firstRows("preference/pairs.jsonl", 24, "pairs.jsonl"),
                firstRows("preference/held-out.jsonl", 6, "held-out.jsonl"));
    }

    private Path firstRows(String recipe, int rows, String name) throws IOException {
        List<String> all = Files.readAllLines(RECIPES.resolve(recipe));
        return Files.write(folder.resolve(name), all.subList(0, Math.min(rows, all.size())));
    }

    @Test
    void aRunOnPairsIsTheSameWithAReferenceThatRanBeforeOnOneWorkerAndOnTwo() throws IOException {
        assertDone(train("beside", WHOLE_MODEL));
        assertDone(precompute(WHOLE_MODEL));
        assertThat(shell.out()).contains("60 log-probabilities, 60 of them computed now");
        for (String workers : List.of("1", "2")) {
            String name = "before-" + workers;
            assertDone(train(name, with(WHOLE_MODEL, precomputed(), "parallel.workers=" + workers)));
            assertSame(name, "beside");
        }
    }

    @Test
    void aRunOnRatingsIsTheSameToo() throws IOException {
        Path ratings = firstRows("preference/ratings.jsonl", 20, "ratings.jsonl");
        data = List.of(ratings, ratings);
        List<String> kto = List.of("loss.preference.type=kto", "parallel.workers=2");
        assertDone(train("beside", kto));
        assertDone(precompute(kto));
        assertDone(train("before", with(kto, precomputed())));
        assertSame("before", "beside");
        assertThat(train("other", with(kto, precomputed(), "data.global-batch=4")))
                .isEqualTo(2);
        assertThat(shell.err())
                .contains(
                        "was computed from other data", "steps of the run is ", "data.global-batch is 8 there, 4 here");
    }

    @Test
    void onlyWhatIsMissingIsComputedAndAnotherRunMayReadIt() throws IOException {
        assertDone(precompute(List.of()));
        Files.write(data.get(0), List.of("""
                {"prompt": "Is it?", "chosen": "It is.", "rejected": "No."}"""), StandardOpenOption.APPEND);
        assertThat(train("stale", List.of(precomputed()))).isEqualTo(2);
        assertThat(shell.err())
                .contains(
                        "loss.preference.precomputed = " + file(),
                        "was computed from other data (training data is ",
                        "chorale precompute adds what is missing");
        assertDone(precompute(List.of()));
        assertThat(shell.out()).contains("62 log-probabilities, 2 of them computed now");
        assertDone(train("fresh", List.of(precomputed(), "model.adapter.rank=4", "optimizer.learning-rate=1e-3")));
    }

    @Test
    void aFileOfAnotherReferenceIsRefusedAndMadeAnew() throws IOException {
        assertDone(precompute(List.of()));
        assertThat(train("half", List.of(precomputed(), "precision=bf16"))).isEqualTo(2);
        assertThat(shell.err()).contains("was computed by another reference (precision is fp32 there, bf16 here)");
        assertThat(train("seed", List.of(precomputed(), "run.seed=43"))).isEqualTo(2); // draws another model
        assertThat(shell.err()).contains("was computed by another reference (the model's fingerprint is ");
        assertDone(precompute(List.of("run.seed=43")));
        assertThat(shell.err()).contains("is of another reference").contains("it is made anew");
        assertThat(shell.out()).contains("60 log-probabilities, 60 of them computed now");
    }

    @Test
    void whatWasInterruptedIsRefusedAndGoneOnWith() throws IOException {
        assertDone(precompute(List.of()));
        LogProbabilities whole = LogProbabilities.open(file());
        Map<String, String> origin = new LinkedHashMap<>(whole.origin());
        origin.keySet().removeIf(name -> name.contains("data"));
        SortedMap<SequenceKey, Double> half = whole.toMap();
        half.keySet().removeIf(key -> key.high() < 0);
        try (OutputStream out = Files.newOutputStream(file())) {
            LogProbabilitiesWriter.write(out, origin, half);
        }
        assertThat(train("early", List.of(precomputed()))).isEqualTo(2);
        assertThat(shell.err()).contains("is not complete; chorale precompute goes on with it");
        assertDone(precompute(List.of()));
        assertThat(shell.out()).contains("60 log-probabilities, %d of them".formatted(60 - half.size()));
        assertThat(LogProbabilities.open(file()).toMap()).isEqualTo(whole.toMap());
    }

    @Test
    void aFileThatIsMissingIsToldAndOneOfOthersIsNotOverwritten() throws IOException {
        assertThat(train("none", List.of(precomputed()))).isEqualTo(2);
        assertThat(shell.err())
                .contains(
                        "loss.preference.precomputed = " + file(),
                        "must be a file that chorale precompute RUN.conf has written");
        Files.writeString(file(), "a will");
        assertThat(precompute(List.of())).isEqualTo(2);
        assertThat(shell.err()).contains("OUTPUT_REFUSED", "is not overwritten");
        assertThat(file()).hasContent("a will");
        assertThat(shell.run(
                        folder, "precompute", RECIPES.resolve("preference.conf").toString()))
                .isEqualTo(2);
        assertThat(shell.err()).contains("loss.preference.precomputed is not set");
    }

    @Test
    void aRowThatCannotBeUsedIsToldWithItsLine() throws IOException {
        Files.write(data.get(0), List.of("{\"text\": \"no pair\"}"), StandardOpenOption.APPEND);
        assertThat(precompute(List.of())).isEqualTo(2);
        assertThat(shell.err()).contains("pairs.jsonl:25: ");
        assertThat(file()).doesNotExist();
    }

    private int train(String name, List<String> keys) {
        return shell.run(
                folder, arguments("train", with(List.of("--run-dir", name, "parallel.isolation=in-process"), keys)));
    }

    private int precompute(List<String> keys) {
        return shell.run(folder, arguments("precompute", with(keys, precomputed())));
    }

    private String[] arguments(String command, List<String> more) {
        List<String> all = new ArrayList<>(
                List.of(command, RECIPES.resolve("preference.conf").toString()));
        all.addAll(more);
        all.addAll(List.of(
                "data.train.path=" + data.get(0),
                "data.eval.path=" + data.get(1),
                "run.steps=null",
                "run.epochs=2",
                "evaluation.every=2"));
        return all.toArray(String[]::new);
    }

    private void assertDone(int code) {
        assertThat(code).as(shell::err).isZero();
    }

    private Path file() {
        return folder.resolve("reference.logps");
    }

    private String precomputed() {
        return "loss.preference.precomputed=" + file();
    }

    private static List<String> with(List<String> some, String... more) {
        return with(some, List.of(more));
    }

    private static List<String> with(List<String> some, List<String> more) {
        return Stream.concat(some.stream(), more.stream()).toList();
    }

    private void assertSame(String run, String other) throws IOException {
        Iterator<JsonNode> expected = lines(other).iterator();
        List<JsonNode> actual = lines(run);
        assertThat(actual).hasSameSizeAs(lines(other)).hasSizeGreaterThan(6);
        for (JsonNode line : actual) {
            JsonNode same = expected.next();
            assertThat(line.get("loss").asDouble()).isCloseTo(same.get("loss").asDouble(), within(1e-4));
            assertThat(line.path("grad_norm").asDouble())
                    .isCloseTo(same.path("grad_norm").asDouble(), within(1e-3));
        }
    }

    /** Steps and evaluations. */
    private List<JsonNode> lines(String run) throws IOException {
        ObjectMapper mapper = new ObjectMapper();
        List<JsonNode> lines = new ArrayList<>();
        for (String line : Files.readAllLines(folder.resolve(run).resolve("metrics.jsonl"))) {
            JsonNode json = mapper.readTree(line);
            if (List.of("step", "eval").contains(json.get("kind").asText())) {
                lines.add(json);
            }
        }
        return lines;
    }
}
