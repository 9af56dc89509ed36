// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Evaluations of one small run: its own, its best, and those of the command. */
@Timeout(120)
final class MeasurementTest {
    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final Path RECIPE = Path.of(
            Objects.requireNonNull(System.getProperty("chorale.root"), "surefire sets chorale.root"),
            "deploy/recipes/quickstart.conf");

    /** Loss rises again with so high a learning rate, so that the best evaluation is not the last. */
    private static final String[] TRAIN = {
        "train",
        RECIPE.toString(),
        "data.generate.train-rows=40",
        "data.generate.held-out-rows=7",
        "data.global-batch=4",
        "data.micro-batch=3",
        "optimizer.learning-rate=0.2",
        "optimizer.warmup-steps=0",
        "optimizer.schedule=constant",
        "parallel.isolation=in-process",
        "run.steps=8",
        "evaluation.every=1",
        "checkpoint.every=0",
        "checkpoint.keep=1",
        "checkpoint.keep-best=true",
        "checkpoint.export=best"
    };

    @TempDir
    static Path folder;

    private static String trainOutput = "";
    private static JsonNode best;
    private static JsonNode last;

    private final Shell shell = new Shell();

    @BeforeAll
    static void train() throws IOException {
        Shell shell = new Shell();
        assertThat(shell.run(folder, TRAIN)).as(shell::err).isZero();
        trainOutput = shell.out();
        List<JsonNode> evaluations = new ArrayList<>();
        for (String line : Files.readAllLines(folder.resolve("runs/quickstart/metrics.jsonl"))) {
            JsonNode json = MAPPER.readTree(line);
            if (json.get("kind").asText().equals("eval")) {
                evaluations.add(json);
            }
        }
        last = evaluations.get(evaluations.size() - 1);
        best = evaluations.stream()
                .filter(line -> line.has("best"))
                .reduce((a, b) -> b)
                .orElseThrow();
    }

    @Test
    void theCommandGivesTheFiguresOfTheRunsOwnEvaluationOfWhatItExported() throws IOException {
        JsonNode measured = eval("runs/quickstart/export");
        for (String figure : List.of("loss", "perplexity", "exact_match")) {
            assertThat(measured.get(figure).asDouble())
                    .as(figure)
                    .isCloseTo(
                            best.get(figure).asDouble(),
                            within(1e-6 * best.get("perplexity").asDouble()));
        }
        for (String count : List.of("examples", "tokens", "trained_tokens", "judged")) {
            assertThat(measured.get(count).asLong())
                    .as(count)
                    .isEqualTo(best.get(count).asLong());
        }
        assertThat(measured.get("tokens_per_second").asDouble()).isPositive();
    }

    @Test
    void theBestCheckpointIsToldListedAndExported() throws IOException {
        long step = best.get("step").asLong();
        assertThat(step).as("the best is not the last, or this tests nothing").isLessThan(8);
        String checkpoint = "checkpoints/step-00000" + step;
        assertThat(trainOutput).containsPattern("best +step %d: loss .*%s".formatted(step, checkpoint));
        assertThat(shell.run(folder, "inspect", "runs/quickstart")).isZero();
        assertThat(shell.out())
                .contains("best          step %d, loss %s"
                        .formatted(step, best.get("loss").asText()));

        assertThat(shell.run(folder, "export", "runs/quickstart", "best", "--best"))
                .as(shell::err)
                .isZero();
        assertThat(folder.resolve("best/model.safetensors"))
                .hasSameBinaryContentAs(folder.resolve("runs/quickstart/export/model.safetensors"));
        assertThat(shell.run(folder, "export", "runs/quickstart", "last"))
                .as(shell::err)
                .isZero();
        assertThat(eval("last").get("loss").asDouble())
                .isCloseTo(last.get("loss").asDouble(), within(1e-6))
                .isGreaterThan(best.get("loss").asDouble());
    }

    @Test
    void theFiguresAreALineEachForPeople() throws IOException {
        assertThat(shell.run(folder, "eval", "runs/quickstart/export", "runs/quickstart/data/held-out.jsonl"))
                .as(shell::err)
                .isZero();
        assertThat(shell.out().lines().map(line -> line.substring(0, 14).strip()))
                .containsExactly("loss", "perplexity", "exact match", "examples", "tokens", "time");
        assertThat(shell.out()).contains("(0 of 7)", " of them trained", " tokens/s");
    }

    @Test
    void aNarrowPrecisionGivesNearlyTheSame() {
        assertThat(shell.run(
                        folder,
                        "eval",
                        "runs/quickstart/export",
                        "runs/quickstart/data/held-out.jsonl",
                        "--precision",
                        "bf16",
                        "--json"))
                .as(shell::err)
                .isZero();
        double loss = best.get("loss").asDouble();
        assertThat(measuredLoss()).isCloseTo(loss, within(0.02 * loss)).isNotEqualTo(loss);
    }

    @Test
    void aModelIsMeasuredWithAnAdapter() throws IOException {
        List<String> lora = new ArrayList<>(List.of(TRAIN));
        lora.addAll(List.of(
                "--run-dir=runs/lora",
                "model.path=runs/quickstart/export",
                "model.initialize=pretrained",
                "model.adapter.type=lora",
                "data.train.path=runs/quickstart/data/train.jsonl",
                "data.eval.path=runs/quickstart/data/held-out.jsonl",
                "checkpoint.export=last"));
        assertThat(shell.run(folder, lora.toArray(String[]::new)))
                .as(shell::err)
                .isZero();
        List<String> lines = Files.readAllLines(folder.resolve("runs/lora/metrics.jsonl"));
        double loss = MAPPER.readTree(lines.get(lines.size() - 1)).get("loss").asDouble();
        assertThat(shell.run(
                        folder,
                        "eval",
                        "runs/quickstart/export",
                        "runs/quickstart/data/held-out.jsonl",
                        "--adapter",
                        "runs/lora/export",
                        "--json"))
                .as(shell::err)
                .isZero();
        assertThat(measuredLoss()).isCloseTo(loss, within(1e-5));
    }

    @Test
    void textsAreMeasuredTooAndHaveNothingToMatch() throws IOException {
        Path texts = Files.createDirectories(folder.resolve("texts"));
        Files.writeString(texts.resolve("a.txt"), "r e v e r s e\n".repeat(100));
        assertThat(shell.run(folder, "eval", "runs/quickstart/export", "texts", "--sequence-tokens", "32"))
                .as(shell::err)
                .isZero();
        assertThat(shell.out()).contains("loss").doesNotContain("exact match");
    }

    @Test
    void whatCannotBeMeasuredIsRefusedWithWhatWouldBeRight() throws IOException {
        Files.writeString(folder.resolve("row.jsonl"), "{\"text\": 5}\n");
        Files.writeString(folder.resolve("empty.jsonl"), "");
        refused("FILE_MISSING", "DATA " + folder.resolve("nowhere.jsonl"), "nowhere.jsonl");
        refused("FILE_MISSING", "--adapter " + folder.resolve("none"), "row.jsonl", "--adapter", "none");
        refused("DATA_MALFORMED", "row.jsonl:1", "row.jsonl");
        refused("DATA_EMPTY", "has no usable example", "empty.jsonl");
        refused("CONFIG_INVALID", "data.micro-batch = 0: must be", "row.jsonl", "--micro-batch", "0");
        refused("CONFIG_INVALID", "precision = fp8", "row.jsonl", "--precision", "fp8");
        String heldOut = "runs/quickstart/data/held-out.jsonl";
        refused("CONFIG_INVALID", "must be at most", heldOut, "--sequence-tokens", "1000000");
        refused("TOKENIZER_INVALID", "tokenizer", heldOut, "--tokenizer", "runs");
    }

    @Test
    void aTemporaryFolderIsGoneWithAllThatIsInIt() throws IOException {
        Path path;
        try (TemporaryFolder temporary = TemporaryFolder.create("chorale-test-")) {
            path = temporary.path();
            Files.createDirectories(path.resolve("index/deep"));
            Files.writeString(path.resolve("index/deep/train.idx"), "x");
        }
        assertThat(path).doesNotExist();
    }

    private void refused(String code, String words, String data, String... options) {
        List<String> arguments = new ArrayList<>(List.of("eval", "runs/quickstart/export", data));
        arguments.addAll(List.of(options));
        assertThat(shell.run(folder, arguments.toArray(String[]::new))).isEqualTo(2);
        assertThat(shell.err()).startsWith("error [" + code + "] ").contains(words);
        assertThat(shell.out()).isEmpty();
    }

    private double measuredLoss() {
        try {
            return MAPPER.readTree(shell.out()).get("loss").asDouble();
        } catch (IOException e) {
            throw new AssertionError(shell.out(), e);
        }
    }

    private JsonNode eval(String model) throws IOException {
        assertThat(shell.run(
                        folder, "eval", model, "runs/quickstart/data/held-out.jsonl", "--micro-batch", "3", "--json"))
                .as(shell::err)
                .isZero();
        return MAPPER.readTree(shell.out());
    }
}
