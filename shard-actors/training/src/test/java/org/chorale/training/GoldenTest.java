// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.safetensors.InvalidFileException;
import org.chorale.tensor.safetensors.ModelFiles;
import org.chorale.tensor.safetensors.ModelFolderWriter;
import org.chorale.tensor.safetensors.SafetensorsFile;
import org.chorale.tensor.safetensors.SafetensorsWriter;
import org.chorale.tensor.safetensors.TensorEntry;
import org.chorale.tensor.safetensors.TensorSpec;
import org.chorale.training.golden.GoldenCheck;
import org.chorale.training.golden.GoldenCheck.Row;
import org.chorale.training.shard.Precision;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The arithmetic is the reference's: what Transformers computed for the same weights and batch. */
final class GoldenTest {
    @TempDir
    private Path copy;

    @ParameterizedTest
    @ValueSource(
            strings = {
                "llama",
                "llama3-rope-tied",
                "mistral-sliding",
                "qwen2",
                "qwen3",
                "gpt-neox",
                "gpt-neox-sequential",
                "gemma2",
                "gemma3",
                "phi3",
                "olmo2",
                "mixtral",
                "qwen3-moe"
            })
    void everyQuantityOfTheReferenceIsReproduced(String family) throws URISyntaxException {
        passes(GoldenCheck.run(
                folder(family),
                Optional.empty(),
                folder(family).resolve("golden.safetensors"),
                Precision.FP32,
                Device.CPU));
    }

    @ParameterizedTest
    @CsvSource({
        "llama, peft-lora-llama", "llama, peft-lora-modules-to-save",
        "llama, peft-lora-head", "llama3-rope-tied, peft-lora-tied",
        "llama3-rope-tied, peft-lora-tied-head", "llama3-rope-tied, peft-lora-tied-embedding",
        "mistral-sliding, peft-rslora-mistral", "gpt-neox, peft-lora-gpt-neox",
        "qwen2, peft-dora-qwen2"
    })
    void everyQuantityOfAnAdapterIsReproducedUpToItsFiles(String base, String adapter) throws URISyntaxException {
        List<Row> rows = GoldenCheck.run(
                folder(base),
                Optional.of(folder(adapter)),
                folder(adapter).resolve("golden.safetensors"),
                Precision.FP32,
                Device.CPU);
        passes(rows);
        assertThat(rows)
                .extracting(Row::quantity)
                .contains("train.losses", "trained/adapter_config.json")
                .anyMatch(quantity -> quantity.startsWith("merged."))
                .anyMatch(quantity -> quantity.matches("trained\\.base_model.*\\.lora_B\\.weight"));
    }

    /**
     * On attention, routers and each expert's linears, in the files of PEFT on Transformers 4. PEFT 0.21 on Transformers 5
     * reads them into adapters of stacked experts, where B of gate over up has four blocks; the two that cross were held
     * at zero while it trained.
     */
    @ParameterizedTest
    @CsvSource({"mixtral, peft-lora-mixtral", "qwen3-moe, peft-lora-qwen3-moe"})
    void anAdapterOfEachExpertIsWhatPeftMakesOfIt(String base, String adapter) throws URISyntaxException {
        List<Row> rows = GoldenCheck.run(
                folder(base),
                Optional.of(folder(adapter)),
                folder(adapter).resolve("golden.safetensors"),
                Precision.FP32,
                Device.CPU);
        passes(rows);
        assertThat(rows)
                .extracting(Row::quantity)
                .contains("train.losses", "merged.model.layers.1.mlp.experts.gate_up_proj")
                .anyMatch(quantity -> quantity.matches("grad.*\\.mlp\\.gate\\.lora_B.*"))
                .anyMatch(quantity -> quantity.matches("grad.*\\.experts\\.3\\.(w3|up_proj)\\.lora_B.*"));
    }

    @ParameterizedTest
    @EnumSource(
            value = Precision.class,
            names = {"BF16", "BF16_TRUE"})
    void theErrorOfAnotherFormatIsMeasuredAndNotJudged(Precision precision) throws URISyntaxException {
        Path adapter = folder("peft-lora-llama");
        List<Row> rows = new ArrayList<>(GoldenCheck.run(
                folder("llama"),
                Optional.empty(),
                folder("llama").resolve("golden.safetensors"),
                precision,
                Device.CPU));
        rows.addAll(GoldenCheck.run(
                folder("llama"), Optional.of(adapter), adapter.resolve("golden.safetensors"), precision, Device.CPU));
        passes(rows);
        double roundOff = 0x1p-9; // of one rounding to bf16
        assertThat(rows)
                .filteredOn(row -> row.quantity().matches("logits|grad.*"))
                .hasSizeGreaterThan(20)
                .allSatisfy(row ->
                        assertThat(row.relativeError()).as(row.toString()).isBetween(roundOff / 4, roundOff * 32));
        assertThat(rows).noneMatch(row -> row.quantity().startsWith("merged."));
    }

    @Test
    void aFormatThatNeedsALossScaleIsRefused() {
        assertThatThrownBy(() -> GoldenCheck.run(
                        folder("llama"), Optional.empty(), copy.resolve("none"), Precision.FP16, Device.CPU))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("fp16");
    }

    @Test
    void anAdapterOfAnotherScaleDoesNotPass() throws Exception {
        Path original = folder("peft-lora-llama");
        for (String name : List.of("adapter_model.safetensors", "golden.safetensors")) {
            Files.copy(original.resolve(name), copy.resolve(name));
        }
        String config = Files.readString(original.resolve("adapter_config.json"));
        assertThat(config).contains("\"lora_alpha\": 8");
        Files.writeString(
                copy.resolve("adapter_config.json"), config.replace("\"lora_alpha\": 8", "\"lora_alpha\": 9"));
        assertThat(GoldenCheck.run(
                        folder("llama"),
                        Optional.of(copy),
                        copy.resolve("golden.safetensors"),
                        Precision.FP32,
                        Device.CPU))
                .filteredOn(row -> !row.passed())
                .extracting(Row::quantity)
                .contains("logits", "loss", "merged.model.layers.0.self_attn.q_proj.weight");
    }

    @Test
    void theGoldenOfAnAdapterAsksForTheAdapter() throws Exception {
        List<Row> rows = GoldenCheck.run(
                folder("llama"),
                Optional.empty(),
                folder("peft-lora-llama").resolve("golden.safetensors"),
                Precision.FP32,
                Device.CPU);
        assertThat(rows)
                .filteredOn(row -> row.quantity().startsWith("merged."))
                .isNotEmpty()
                .allSatisfy(row -> assertThat(row.note()).contains("needs --adapter"));
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
        passes(GoldenCheck.run(
                copy, Optional.empty(), original.resolve("golden.safetensors"), Precision.FP32, Device.CPU));
    }

    @Test
    void aWrongEpsilonDoesNotPass() throws Exception {
        Path original = folder("llama");
        Files.copy(original.resolve("model.safetensors"), copy.resolve("model.safetensors"));
        String config = Files.readString(original.resolve("config.json"));
        Files.writeString(
                copy.resolve("config.json"), config.replace("\"rms_norm_eps\": 1e-05", "\"rms_norm_eps\": 1e-06"));
        assertThat(GoldenCheck.run(
                        copy, Optional.empty(), original.resolve("golden.safetensors"), Precision.FP32, Device.CPU))
                .anySatisfy(row -> assertThat(row.passed()).isFalse());
    }

    @Test
    void aGoldenOfAnotherModelIsRefusedWithTensorAndShape() throws Exception {
        Path original = folder("llama");
        Path other = copy.resolve("golden.safetensors");
        try (SafetensorsFile golden = SafetensorsFile.open(original.resolve("golden.safetensors"));
                TensorScope scope = new TensorScope()) {
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            for (String name : List.of("input_ids", "attention_mask", "labels")) {
                tensors.put(name, golden.tensor(name));
            }
            tensors.put("grad.model.norm.weight", golden.tensor("loss")); // [1] would broadcast
            SafetensorsWriter.write(other, tensors);
        }
        assertThatThrownBy(() -> GoldenCheck.run(original, Optional.empty(), other, Precision.FP32, Device.CPU))
                .isInstanceOf(InvalidFileException.class)
                .hasMessageContaining("grad.model.norm.weight: has shape [1], must be [48]");
    }

    private static void passes(List<Row> rows) {
        assertThat(rows).hasSizeGreaterThan(20);
        assertThat(rows).filteredOn(row -> !row.passed()).isEmpty();
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
