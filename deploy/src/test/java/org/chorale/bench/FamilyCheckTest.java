// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Stream;
import org.chorale.bench.FamilyRow.Adapter;
import org.chorale.model.layer.Recompute;
import org.chorale.tensor.device.Device;
import org.chorale.training.shard.Precision;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class FamilyCheckTest {
    private static final Path GOLDENS = Path.of(
            Objects.requireNonNull(System.getProperty("chorale.root"), "surefire sets chorale.root"),
            "shard-actors/training/src/test/resources/goldens");

    @TempDir
    private Path directory;

    @Test
    void theCpuTrainsAsItselfAndAModelThatCannotBeReadFailsItsOwnRows() throws IOException {
        Path good = Files.createDirectory(directory.resolve("qwen3"));
        for (String file : List.of("config.json", "model.safetensors")) {
            Files.copy(GOLDENS.resolve("qwen3").resolve(file), good.resolve(file));
        }
        Path broken = Files.createDirectory(directory.resolve("broken"));
        Files.writeString(broken.resolve("config.json"), "{\"model_type\": \"bert\"}");
        Files.writeString(broken.resolve("model.safetensors"), "");
        Files.createDirectory(directory.resolve("no model"));
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        int code = new FamilyCheck(Device.CPU, new PrintStream(out, true, StandardCharsets.UTF_8)).run(directory);
        List<String> lines = out.toString(StandardCharsets.UTF_8).lines().toList();
        assertThat(lines).hasSize(2 * Adapter.values().length + 1);
        assertThat(lines.get(0))
                .startsWith("broken, none, recompute none, padded: FAIL")
                .contains("bert");
        assertThat(lines.get(5)).matches("qwen3, none, .*: loss 0\\.0e\\+00, norm 0\\.0e\\+00, .*: ok");
        assertThat(lines.get(10)).matches("10 rows on .* in .* s, 5 failed; the worst took 0 % of what is allowed");
        assertThat(code).isEqualTo(1);
    }

    @Test
    void aFolderWithoutModelsIsAFailure() throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        assertThat(new FamilyCheck(Device.CPU, new PrintStream(out, true, StandardCharsets.UTF_8)).run(directory))
                .isEqualTo(1);
    }

    @Test
    void otherDropoutIsOutOfTheTolerances() {
        FamilyRow row = new FamilyRow(GOLDENS.resolve("llama"), Adapter.LORA, Recompute.NONE, false);
        FamilyRow packed = new FamilyRow(GOLDENS.resolve("llama"), Adapter.LORA, Recompute.NONE, true);
        FamilyRun run = FamilyRun.of(row, Precision.FP32, Device.CPU);
        FamilyRun other = FamilyRun.of(packed, Precision.FP32, Device.CPU);
        assertThat(other.lossError(run)).isGreaterThan(1e-3);
        assertThat(other.normError(run)).isGreaterThan(1e-3);
        assertThat(other.gradientError(run, 0)).isGreaterThan(1e-3);
    }

    @Test
    void everyTwoSettingsMeet() {
        List<FamilyRow> rows = FamilyRow.of(
                Stream.of("a", "b", "c", "d", "e", "f").map(Path::of).toList());
        Set<List<Object>> met = new HashSet<>();
        for (FamilyRow row : rows) {
            List<Object> values = List.of(row.folder(), row.adapter(), row.recompute(), row.packed());
            values.forEach(one -> values.forEach(other -> met.add(List.of(one, other))));
        }
        int[] counts = {6, Adapter.values().length, Recompute.values().length, 2};
        int pairs = 0;
        for (int i = 0; i < counts.length; i++) {
            pairs += counts[i];
            for (int j = 0; j < i; j++) {
                pairs += 2 * counts[i] * counts[j];
            }
        }
        assertThat(met).hasSize(pairs);
    }
}
