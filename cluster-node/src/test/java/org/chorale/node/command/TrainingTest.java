// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Whole runs of a few steps, with the quickstart's recipe: every actor is the real one. */
@Timeout(120)
final class TrainingTest {
    private static final Path RECIPE = Path.of(
            Objects.requireNonNull(System.getProperty("chorale.root"), "surefire sets chorale.root"),
            "deploy",
            "recipes",
            "quickstart.conf");

    private static final List<String> SMALL = List.of(
            "parallel.isolation=in-process",
            "data.generate.train-rows=40",
            "data.generate.held-out-rows=4",
            "data.global-batch=4",
            "data.micro-batch=2",
            "optimizer.warmup-steps=1");

    private final Shell shell = new Shell();

    @TempDir
    Path folder;

    @BeforeEach
    void theRecipeIsThere() {
        assertThat(RECIPE).exists();
    }

    @Test
    void aRunIsTrainedInspectedAndExported() throws IOException {
        assertThat(train("run.steps=3")).as(shell::err).isZero();
        assertThat(shell.out())
                .contains(
                        "starting on 2 workers: 3 steps in all",
                        "evaluation at step 0: exact match",
                        "step 3/3  loss ",
                        "evaluation at step 3: exact match",
                        "finished at step 3 after");
        Path run = folder.resolve("runs/quickstart");
        assertThat(Files.readAllLines(run.resolve("metrics.jsonl")).stream()
                        .filter(line -> line.contains("\"kind\":\"step\"")))
                .hasSize(3);
        assertThat(run.resolve("export/model.safetensors")).exists();

        assertThat(shell.run(folder, "inspect", "runs/quickstart")).isZero();
        assertThat(shell.out()).contains("checkpoint    step 3, ");

        assertThat(shell.run(folder, "inspect", "runs/quickstart/checkpoints/step-000003"))
                .isZero();
        assertThat(shell.out()).contains("world size    2", "shard group   2", "whole         yes");

        assertThat(shell.run(folder, "export", "runs/quickstart", "model"))
                .as(shell::err)
                .isZero();
        assertThat(folder.resolve("model/model.safetensors"))
                .hasSameBinaryContentAs(run.resolve("export/model.safetensors"));
    }

    @ParameterizedTest
    @CsvSource({"bf16,adamw", "fp16,lion", "fp32,sgd"})
    void anAdapterIsTrainedInEveryPrecisionAndExportedAloneOrMerged(String precision, String optimizer)
            throws IOException {
        assertThat(train(
                        "run.steps=3",
                        "precision=" + precision,
                        "optimizer.type=" + optimizer,
                        "optimizer.groups=[{\"match\": [\"**.lora_B.*\"], \"learning-rate-factor\": 2}]",
                        "model.adapter.type=lora"))
                .as(shell::err)
                .isZero();
        Path run = folder.resolve("runs/quickstart");
        assertThat(run.resolve("export/adapter_model.safetensors")).exists();
        assertThat(run.resolve("export/model.safetensors")).doesNotExist();
        assertThat(Files.readAllLines(run.resolve("metrics.jsonl")).stream()
                        .filter(line -> line.contains("\"kind\":\"step\"")))
                .hasSize(3)
                .noneMatch(line -> line.contains("NaN") || line.contains("\"loss\":null"));

        assertThat(shell.run(folder, "export", "runs/quickstart", "adapter"))
                .as(shell::err)
                .isZero();
        assertThat(folder.resolve("adapter/adapter_model.safetensors"))
                .hasSameBinaryContentAs(run.resolve("export/adapter_model.safetensors"));
        assertThat(shell.run(folder, "export", "runs/quickstart", "merged", "--merge"))
                .as(shell::err)
                .isZero();
        assertThat(folder.resolve("merged/model.safetensors")).exists();
        assertThat(shell.run(folder, "export", "runs/quickstart", "other", "--dtype", "bf16"))
                .isEqualTo(2);
        assertThat(shell.err()).contains("--dtype is for models: an adapter is one with --merge");
    }

    /** What clipping divides by is a sum over buffers, which are others then. */
    @Test
    void aGatherInFp8ChangesNoBitOfTheModel() {
        for (String gather : List.of("false", "true")) {
            assertThat(train(
                            "run.steps=3",
                            "run.dir=runs/gather-" + gather,
                            "precision=bf16",
                            "fp8.scaling=tensor",
                            "fp8.gather=" + gather,
                            "optimizer.clip-norm=1000"))
                    .as(shell::err)
                    .isZero();
        }
        assertThat(folder.resolve("runs/gather-true/export/model.safetensors"))
                .hasSameBinaryContentAs(folder.resolve("runs/gather-false/export/model.safetensors"));
    }

    @Test
    void aFinishedRunIsNotRepeatedAndOtherSettingsAreRefused() {
        assertThat(train("run.steps=1")).as(shell::err).isZero();
        assertThat(train("run.steps=1")).as(shell::err).isZero();
        assertThat(shell.out()).contains("finished at step 1").doesNotContain("step 1/1");

        assertThat(train("run.steps=2")).isEqualTo(2);
        assertThat(shell.err()).contains("error [RUN_DIRECTORY_TAKEN] ", "  run.steps: there 1, asked for 2");
    }

    @Test
    void withJsonEveryLineOfStdoutIsAnEvent() throws IOException {
        assertThat(train("run.steps=2", "--json")).as(shell::err).isZero();

        List<String> events = new ArrayList<>();
        for (String line : shell.out().lines().toList()) {
            JsonNode json = new ObjectMapper().readTree(line);
            events.add(json.get("event").asText());
        }
        assertThat(events)
                .containsSubsequence(
                        "awaited", "started", "evaluation", "step", "step", "evaluation", "checkpoint", "ended");
    }

    @Test
    void aProfileOfEveryWorkerIsWrittenAndSpeedIsInEveryStepsLine() throws IOException {
        assertThat(train("run.steps=4", "--profile", "2")).as(shell::err).isZero();

        Path run = folder.resolve("runs/quickstart");
        for (String rank : List.of("rank-00000.json", "rank-00001.json")) {
            JsonNode trace = new ObjectMapper()
                    .readTree(run.resolve("profile").resolve(rank).toFile());
            assertThat(trace.at("/otherData/steps").asText()).isEqualTo("3-4");
            assertThat(trace.get("traceEvents").findValuesAsText("name"))
                    .contains("step 3", "step 4", "begin step 4", "read step 4", "shard's mailbox");
        }
        List<String> steps = Files.readAllLines(run.resolve("metrics.jsonl")).stream()
                .filter(line -> line.contains("\"kind\":\"step\""))
                .toList();
        assertThat(steps).hasSize(4).allSatisfy(line -> {
            JsonNode step = new ObjectMapper().readTree(line);
            assertThat(step.get("tflops_per_second").asDouble()).isPositive();
            assertThat(step.has("mfu")).isFalse(); // of a CPU there is no peak
        });
        assertThat(train("run.steps=4", "--profile", "101")).isEqualTo(2);
        assertThat(shell.err()).contains("error [CONFIG_INVALID] ", "run.profile-steps = 101: must be from 0 to 100");
    }

    @Test
    void aDamagedCheckpointIsFoundOut() throws IOException {
        assertThat(train("run.steps=1")).as(shell::err).isZero();
        Path shard = folder.resolve("runs/quickstart/checkpoints/step-000001/rank-00000.safetensors");
        byte[] bytes = Files.readAllBytes(shard);
        bytes[bytes.length - 1] ^= 1;
        Files.write(shard, bytes);

        assertThat(shell.run(folder, "inspect", "runs/quickstart/checkpoints/step-000001"))
                .isEqualTo(1);
        assertThat(shell.out()).contains("whole         no", "has SHA-256");
        assertThat(shell.run(folder, "export", "runs/quickstart", "model")).isEqualTo(1);
        assertThat(shell.err()).contains("error [CHECKPOINT_CORRUPT] ");
        assertThat(folder.resolve("model")).doesNotExist();
    }

    @Test
    void everythingThatIsMissingIsToldAtOnceBeforeThereIsARunDirectory() {
        assertThat(train("data.train.path=nowhere.jsonl", "model.path=no-model"))
                .isEqualTo(2);
        assertThat(shell.err().lines())
                .containsExactly(
                        "error [FILE_MISSING] data.train.path = " + folder + "/nowhere.jsonl: does not exist or cannot"
                                + " be read; must be a file of rows, a glob of such files, or a folder",
                        "error [FILE_MISSING] model.path = " + folder + "/no-model: does not exist or cannot be read;"
                                + " must be a folder with config.json");
        assertThat(folder.resolve("runs")).doesNotExist();
    }

    @Test
    void aFaultInsideTheRunEndsItWithItsCode() throws IOException {
        Files.writeString(folder.resolve("train.jsonl"), "{\"text\": 5}\n");

        assertThat(train("run.steps=1", "data.train.path=train.jsonl")).isEqualTo(2);
        assertThat(shell.err()).startsWith("error [DATA_MALFORMED] ").contains("train.jsonl:1");
        assertThat(shell.out()).contains("failed at step 0");
    }

    private int train(String... more) {
        List<String> arguments = new ArrayList<>(List.of("train", RECIPE.toString()));
        arguments.addAll(SMALL);
        arguments.addAll(List.of(more));
        return shell.run(folder, arguments.toArray(String[]::new));
    }
}
