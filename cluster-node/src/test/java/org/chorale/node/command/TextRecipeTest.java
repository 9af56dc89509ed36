// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;
import org.chorale.node.config.NamedPaths;
import org.chorale.node.config.RunConf;
import org.chorale.node.config.RunFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The recipes as they are delivered: each is valid, and the one on prose trains. */
@Timeout(120)
final class TextRecipeTest {
    private static final Path RECIPES = Path.of(
            Objects.requireNonNull(System.getProperty("chorale.root"), "surefire sets chorale.root"),
            "deploy",
            "recipes");

    /** What the recipe reads unless it is told otherwise. */
    private static final Path LICENCES = Path.of("/usr/share/common-licenses");

    private static final int STEPS = 5;

    /** Processes of workers have tests of their own. */
    private static final String IN_PROCESS = "parallel.isolation=in-process";

    @TempDir
    Path folder;

    private final Shell shell = new Shell();

    static List<Path> recipes() throws IOException {
        try (Stream<Path> files = Files.list(RECIPES)) {
            return files.filter(file -> file.toString().endsWith(".conf"))
                    .sorted()
                    .toList();
        }
    }

    /** With a folder of text that is everywhere. */
    @ParameterizedTest
    @MethodSource("recipes")
    void everyRecipeIsValidAndBringsItsModel(Path recipe) {
        RunConf conf = new RunFile(recipe, folder).resolve(List.of("data.train.path=" + RECIPES), Optional.empty());

        NamedPaths.refuseMissing(conf);
        assertThat(conf.dir().getParent()).isEqualTo(folder.resolve("runs"));
    }

    @Test
    void theRecipeOfAnAdapterTrainsAndItsModelIsExported() throws IOException {
        assertThat(shell.run(
                        folder, "train", RECIPES.resolve("lora.conf").toString(), IN_PROCESS, "run.steps=" + STEPS))
                .as(shell::err)
                .isZero();
        assertThat(shell.run(folder, "export", "--merge", "runs/lora", "merged"))
                .as(shell::err)
                .isZero();

        assertThat(folder.resolve("runs/lora/export")).isDirectoryContaining("glob:**/adapter_model.safetensors");
        assertThat(folder.resolve("merged")).isDirectoryContaining("glob:**/model.safetensors");
    }

    @Test
    void theRecipeOnProseTrainsOnTheLicenceTexts() throws IOException {
        assumeThat(LICENCES)
                .as("skipped: %s, which every Debian system has, is not here", LICENCES)
                .isDirectory();

        assertThat(shell.run(
                        folder, "train", RECIPES.resolve("prose.conf").toString(), IN_PROCESS, "run.steps=" + STEPS))
                .as(shell::err)
                .isZero();

        List<JsonNode> steps = metrics();
        assertThat(steps).hasSize(STEPS).allSatisfy(step -> {
            assertThat(step.get("kind").asText()).isEqualTo("step");
            assertThat(step.get("loss").isNumber())
                    .as("finite; else it is null")
                    .isTrue();
            assertThat(step.get("samples")).hasSize(16);
            assertThat(step.get("trained_tokens").asLong())
                    .as("every token but a window's first counts")
                    .isGreaterThan(step.get("tokens").asLong() / 2);
        });
        assertThat(steps.get(STEPS - 1).get("loss").asDouble())
                .isLessThan(steps.get(0).get("loss").asDouble());
    }

    @Test
    void theRecipeOfAPipelineTrainsAndIsDoneOnce() {
        String[] command = {"train", RECIPES.resolve("masked.conf").toString(), IN_PROCESS, "run.steps=4"};
        assertThat(shell.run(folder, command)).as(shell::err).isZero();
        assertThat(shell.out()).contains("900,584 parameters");
        assertThat(folder.resolve("runs/masked/export/model.safetensors")).exists();
        assertThat(shell.run(folder, command)).as(shell::err).isZero();
        assertThat(shell.out()).contains("all 4 steps were done before");
    }

    private List<JsonNode> metrics() throws IOException {
        ObjectMapper mapper = new ObjectMapper();
        Stream.Builder<JsonNode> lines = Stream.builder();
        for (String line : Files.readAllLines(folder.resolve("runs/prose/metrics.jsonl"))) {
            lines.add(mapper.readTree(line));
        }
        return lines.build().toList();
    }
}
