// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Stream;

/**
 * A run of the quickstart's model that takes a second once its JVM is up, with evaluations and many checkpoints.
 *
 * @param folder all of it is in here
 * @param dir its run directory
 */
public record TinyRun(Path folder, Path conf, Path dir) {
    static final int STEPS = 60;

    /** Those before the first step and after steps 20, 40 and 60. */
    static final int EVALUATIONS = 4;

    private static final int CHECKPOINT_EVERY = 7;

    /** All that one run may measure differently from the next. */
    private static final Set<String> TIMINGS = Set.of("seconds", "tokens_per_second", "tflops_per_second");

    private static final ObjectMapper MAPPER = new ObjectMapper();

    /** @param lines of its configuration besides those that all tiny runs have */
    public static TinyRun in(Path folder, String name, String... lines) {
        Path model = Path.of(
                Objects.requireNonNull(System.getProperty("chorale.root"), "surefire sets chorale.root"),
                "deploy/recipes/quickstart/model");
        try {
            Path conf =
                    Files.writeString(folder.resolve(lines.length == 0 ? "tiny.conf" : name + ".conf"), """
                    model { path = "%s", initialize = random }
                    data {
                      generate { task = reverse-words, train-rows = 60, held-out-rows = 8 }
                      global-batch = 4, micro-batch = 2, sequence-tokens = 64
                    }
                    optimizer { learning-rate = 1.0e-3, schedule = cosine, warmup-steps = 2 }
                    run.steps = %d
                    checkpoint.every = %d
                    evaluation.every = 20
                    %s
                    """.formatted(
                                    model, STEPS, CHECKPOINT_EVERY, String.join("\n", lines)));
            return new TinyRun(folder, conf, folder.resolve(name));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public Path export() {
        return dir.resolve("export/model.safetensors");
    }

    /** Lines of metrics that are written to their end. */
    public int metricsLines() {
        return wholeLines().size();
    }

    /** Every line of metrics, without its timings. */
    public List<JsonNode> metrics() {
        List<JsonNode> metrics = new ArrayList<>();
        for (String line : wholeLines()) {
            try {
                ObjectNode json = (ObjectNode) MAPPER.readTree(line);
                metrics.add(json.remove(TIMINGS));
            } catch (IOException e) {
                throw new AssertionError("no line of metrics: " + line, e);
            }
        }
        return metrics;
    }

    /** The steps of its lines of one kind, in the order of the file. */
    List<Integer> stepsOf(String kind) {
        return metrics().stream()
                .filter(line -> line.get("kind").asText().equals(kind))
                .map(line -> line.get("step").asInt())
                .toList();
    }

    public List<String> checkpoints() {
        try (Stream<Path> folders = Files.list(dir.resolve("checkpoints"))) {
            return folders.map(path -> path.getFileName().toString()).sorted().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** All files and folders in the run directory, relative to it. */
    List<String> entries() {
        try (Stream<Path> entries = Files.walk(dir)) {
            return entries.map(path -> dir.relativize(path).toString()).sorted().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private List<String> wholeLines() {
        Path file = dir.resolve("metrics.jsonl");
        if (!Files.exists(file)) {
            return List.of();
        }
        try {
            String text = Files.readString(file);
            return text.substring(0, text.lastIndexOf('\n') + 1).lines().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
