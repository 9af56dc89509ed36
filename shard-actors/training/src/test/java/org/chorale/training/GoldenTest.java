// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.safetensors.ModelFiles;
import org.chorale.tensor.safetensors.ModelFolderWriter;
import org.chorale.tensor.safetensors.SafetensorsWriter;
import org.chorale.tensor.safetensors.TensorEntry;
import org.chorale.tensor.safetensors.TensorSpec;
import org.chorale.training.golden.GoldenCheck;
import org.chorale.training.golden.GoldenCheck.Row;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The arithmetic is the reference's: what Transformers computed for the same weights and batch. */
final class GoldenTest {
    @TempDir
    private Path copy;

    @ParameterizedTest
    @ValueSource(strings = {"llama", "llama3-rope-tied"})
    void everyQuantityOfTheReferenceIsReproduced(String family) throws URISyntaxException {
        passes(GoldenCheck.run(folder(family), folder(family).resolve("golden.safetensors")));
    }

    @Test
    void shardedFilesAndTransformersFoursConfigurationGiveTheSame() throws Exception {
        Path original = folder("llama3-rope-tied");
        shard(original, copy);
        String config = Files.readString(original.resolve("config.json"))
                .replaceAll(
                        "(?s)\"rope_parameters\": \\{(.*?)\"rope_theta\": 500000.0,(.*?)}",
                        "\"rope_theta\": 500000.0,\n\"rope_scaling\": {$1$2}")
                .replace("\"dtype\"", "\"torch_dtype\"");
        assertThat(config).contains("rope_scaling").contains("torch_dtype").doesNotContain("rope_parameters");
        Files.writeString(copy.resolve("config.json"), config);
        passes(GoldenCheck.run(copy, original.resolve("golden.safetensors")));
    }

    @Test
    void aWrongEpsilonDoesNotPass() throws Exception {
        Path original = folder("llama");
        Files.copy(original.resolve("model.safetensors"), copy.resolve("model.safetensors"));
        String config = Files.readString(original.resolve("config.json"));
        Files.writeString(
                copy.resolve("config.json"), config.replace("\"rms_norm_eps\": 1e-05", "\"rms_norm_eps\": 1e-06"));
        assertThat(GoldenCheck.run(copy, original.resolve("golden.safetensors")))
                .anySatisfy(row -> assertThat(row.passed()).isFalse());
    }

    private static void passes(List<Row> rows) {
        assertThat(rows)
                .hasSizeGreaterThan(30)
                .allSatisfy(row -> assertThat(row.passed()).as(row.toString()).isTrue());
    }

    private static void shard(Path from, Path to) throws IOException {
        try (ModelFiles files = ModelFiles.open(from);
                TensorScope scope = new TensorScope()) {
            List<TensorSpec> specs = files.names().stream()
                    .map(files::entry)
                    .map(GoldenTest::spec)
                    .toList();
            ModelFolderWriter.write(to, specs, files::tensor, SafetensorsWriter.DEFAULT_METADATA, 40_000);
        }
        assertThat(to.resolve("model.safetensors.index.json")).exists();
    }

    private static TensorSpec spec(TensorEntry entry) {
        return new TensorSpec(entry.name(), entry.dtype(), entry.shape());
    }

    private static Path folder(String family) throws URISyntaxException {
        return Path.of(GoldenTest.class.getResource("/goldens/" + family).toURI());
    }
}
