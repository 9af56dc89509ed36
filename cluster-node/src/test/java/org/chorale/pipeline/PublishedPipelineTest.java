// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withinPercentage;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.chorale.example.HiddenRegularizer;
import org.chorale.example.HiddenStateExtractor;
import org.chorale.example.MaskedTraining;
import org.chorale.example.TargetExtractor;
import org.chorale.example.TokenMasker;
import org.chorale.training.loss.CompositeLoss;
import org.chorale.training.loss.CrossEntropyLoss;
import org.chorale.training.pipeline.ContractMode;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The pipeline that the documents show, and Ditty's example, each trained to its end. */
@Timeout(120)
final class PublishedPipelineTest {
    private static final Path MODEL = Path.of(
            Objects.requireNonNull(System.getProperty("chorale.root"), "surefire sets chorale.root"),
            "deploy/recipes/quickstart/model");
    private static final ObjectMapper MAPPER = new ObjectMapper();

    @TempDir
    Path folder;

    @Test
    void aPretrainedModelGetsAnAdapterThroughUsersComponents() throws Exception {
        Path path = pretrained();
        Path data = letters("train.jsonl", 24);
        Path out = folder.resolve("out");

        Pipeline.Result result = Pipeline.builder()
                .model(ModelFactory.fromPretrained(path)
                        .adapter(Lora.rank(16).alpha(32).on("q_proj", "v_proj")))
                .data(Data.jsonl(data).tokenizer(MODEL).batchSize(8))
                .preprocess(new TokenMasker(0.15, 0))
                .postprocess(new TargetExtractor("original_input_ids"), new HiddenStateExtractor())
                .loss(CompositeLoss.of(new CrossEntropyLoss(), 1.0, new HiddenRegularizer(0.01), 0.1))
                .optimizer(AdamW.learningRate(2e-3))
                .outputDir(out)
                .epochs(3)
                .set("parallel.isolation", "in-process")
                .view(event -> {})
                .build()
                .run();

        assertThat(result).isEqualTo(new Pipeline.Result(9, true, out));
        assertThat(result.export()).isDirectoryContaining("glob:**/adapter_model.safetensors");
        List<Double> losses = losses(out);
        assertThat(losses).hasSize(9);
        assertThat(losses.get(8)).isLessThan(losses.get(0));
    }

    @Test
    void theMaskedExampleLearnsAndRepeatsItself() throws Exception {
        Path whole = folder.resolve("whole");
        Path halves = folder.resolve("halves");
        masked(whole).steps(40).build().run();
        masked(halves).steps(40).build().run();

        List<Double> losses = losses(whole);
        assertThat(losses.get(39)).isLessThan(0.9 * losses.get(0));
        assertThat(losses(halves)).isEqualTo(losses);
        assertThat(masked(whole).steps(40).build().run().finished()).isTrue();
    }

    @Test
    void unevenMicroBatchesOfARunEqualOneLargeOne() throws Exception {
        Path whole = folder.resolve("whole");
        Path parts = folder.resolve("parts");
        for (Path out : List.of(whole, parts)) {
            masked(out)
                    .steps(3)
                    .data(Data.of(rows()).batchSize(12).microBatch(out.equals(whole) ? 12 : 5))
                    .build()
                    .run();
        }
        List<Double> expected = losses(whole);
        List<Double> losses = losses(parts);
        for (int i = 0; i < 3; i++) {
            assertThat(losses.get(i)).isCloseTo(expected.get(i), withinPercentage(1e-4));
        }
    }

    private static Pipeline.Builder masked(Path out) {
        return MaskedTraining.pipeline(out)
                .contracts(ContractMode.ENFORCE)
                .set("parallel.isolation", "in-process")
                .view(event -> {});
    }

    /** Of many lengths, so that each micro-batch is padded otherwise than the whole. */
    private static List<long[]> rows() {
        List<long[]> rows = new ArrayList<>();
        for (int row = 0; row < 36; row++) {
            long[] ids = new long[3 + row % 6];
            for (int i = 0; i < ids.length; i++) {
                ids[i] = 1 + (row * 7L + i * 5L) % 90;
            }
            rows.add(ids);
        }
        return rows;
    }

    /** What one step of the quickstart's model leaves. */
    private Path pretrained() throws Exception {
        return Pipeline.builder()
                .model(ModelFactory.fromConfig(MODEL))
                .data(Data.jsonl(letters("first.jsonl", 4)).batchSize(4))
                .outputDir(folder.resolve("first"))
                .steps(1)
                .set("parallel.isolation", "in-process")
                .view(event -> {})
                .build()
                .run()
                .export();
    }

    private Path letters(String name, int rows) throws IOException {
        StringBuilder lines = new StringBuilder();
        for (int row = 0; row < rows; row++) {
            lines.append("{\"text\": \"")
                    .append("abcdefgh".repeat(4), row % 7, row % 7 + 20)
                    .append("\"}\n");
        }
        return Files.writeString(folder.resolve(name), lines);
    }

    private static List<Double> losses(Path run) {
        try {
            List<Double> losses = new ArrayList<>();
            for (String line : Files.readAllLines(run.resolve("metrics.jsonl"))) {
                JsonNode json = MAPPER.readTree(line);
                if (json.get("kind").asText().equals("step")) {
                    losses.add(json.get("loss").asDouble());
                }
            }
            return losses;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
