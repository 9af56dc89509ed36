// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.errorprone.annotations.MustBeClosed;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ModelFolder;
import org.chorale.model.outline.Freezing;
import org.chorale.model.outline.NamePattern;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.safetensors.ModelFiles;
import org.chorale.tensor.safetensors.SafetensorsFile;
import org.chorale.tensor.safetensors.StoredType;
import org.chorale.training.optimizer.AdamW;
import org.chorale.training.optimizer.LossScale;
import org.chorale.training.optimizer.Optimizer;
import org.chorale.training.optimizer.OptimizerConfig;
import org.chorale.training.shard.ModelShard;
import org.chorale.training.shard.Precision;
import org.chorale.training.shard.UnitLayout;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What is written has the weights that are known and the dtype that the base has. */
final class ModelExportTest {
    @TempDir
    private Path directory;

    @Test
    void aModelKeepsItsDtypeUnlessAnotherIsAskedFor() throws Exception {
        Path narrow = directory.resolve("narrow");
        Path again = directory.resolve("again");
        Path wide = directory.resolve("wide");
        try (ModelFolder base = ModelFolder.pretrained(folder("llama"))) {
            ModelExport.of(base, base.folder()).writeModel(Optional.of(StoredType.BF16), narrow);
        }
        try (ModelFolder bf16 = ModelFolder.pretrained(narrow);
                CheckpointWeights weights = untrained(bf16, Precision.FP32)) {
            ModelExport.of(bf16, weights, narrow).write(again);
            ModelExport.of(bf16, weights, narrow).writeModel(Optional.of(StoredType.F32), wide);
        }
        assertThat(dtypes(narrow)).containsOnly(StoredType.BF16);
        assertThat(narrow.resolve("config.json")).content().contains("\"dtype\" : \"bfloat16\"");
        assertThat(again.resolve("model.safetensors")).hasSameBinaryContentAs(narrow.resolve("model.safetensors"));
        assertThat(dtypes(wide)).containsOnly(StoredType.F32);
        assertThat(wide.resolve("config.json")).content().contains("\"dtype\" : \"float32\"");
    }

    @Test
    void theTemplateOfTheRunReplacesThatOfTheTokenizer() throws Exception {
        Path tokenizer = Files.createDirectory(directory.resolve("tokenizer"));
        Files.writeString(tokenizer.resolve("chat_template.jinja"), "own");
        Path template = Files.writeString(directory.resolve("other.jinja"), "chosen");
        try (ModelFolder base = ModelFolder.pretrained(folder("llama"))) {
            ModelExport export = ModelExport.of(base, tokenizer);
            export.writeModel(Optional.empty(), directory.resolve("plain"));
            export.chattingBy(Optional.of(template)).writeModel(Optional.empty(), directory.resolve("replaced"));
        }
        assertThat(directory.resolve("plain/chat_template.jinja")).hasContent("own");
        assertThat(directory.resolve("replaced/chat_template.jinja")).hasContent("chosen");
    }

    @ParameterizedTest
    @MethodSource("freezings")
    void weightsAreExportedAsExactAsTheyAreWhetherTrainedOrNot(Freezing freezing) throws Exception {
        Path out = directory.resolve("out");
        try (ModelFolder base = ModelFolder.pretrained(folder("llama")).with(freezing);
                CheckpointWeights weights = untrained(base, Precision.BF16)) {
            ModelExport.of(base, weights, base.folder()).write(out);
        }
        assertThat(out.resolve("model.safetensors"))
                .hasSameBinaryContentAs(folder("llama").resolve("model.safetensors"));
    }

    static Stream<Freezing> freezings() {
        return Stream.of(Freezing.NONE, new Freezing(List.of(NamePattern.glob("model.layers.{0..1}.**")), List.of()));
    }

    @Test
    void anAdaptersHeadStaysInTheDtypeOfItsBase() throws Exception {
        Path narrow = directory.resolve("narrow");
        Path out = directory.resolve("out");
        try (ModelFolder base = ModelFolder.pretrained(folder("llama"))) {
            ModelExport.of(base, base.folder()).writeModel(Optional.of(StoredType.BF16), narrow);
        }
        try (ModelFolder source = ModelFolder.pretrained(narrow).adapted(folder("peft-lora-head"))) {
            ModelExport.of(source, narrow).write(out);
        }
        try (SafetensorsFile written = SafetensorsFile.open(out.resolve("adapter_model.safetensors"))) {
            assertThat(written.entry("base_model.model.lm_head.base_layer.weight")
                            .dtype())
                    .isEqualTo(StoredType.BF16);
            assertThat(written.entry("base_model.model.lm_head.lora_B.weight").dtype())
                    .isEqualTo(StoredType.F32);
        }
    }

    @Test
    void mergingTheTrainedAdapterGivesPeftsMergedModel() throws Exception {
        Path merged = directory.resolve("merged");
        Path adapter = folder("peft-lora-modules-to-save");
        try (ModelFolder source = ModelFolder.pretrained(folder("llama")).adapted(adapter.resolve("trained"))) {
            ModelExport.of(source, source.folder()).writeModel(Optional.empty(), merged);
        }
        try (TensorScope scope = new TensorScope();
                ModelFiles base = ModelFiles.open(folder("llama"));
                ModelFiles made = ModelFiles.open(merged);
                SafetensorsFile golden = SafetensorsFile.open(adapter.resolve("golden.safetensors"));
                SafetensorsFile trained = SafetensorsFile.open(adapter.resolve("trained/adapter_model.safetensors"))) {
            assertThat(made.names()).isEqualTo(base.names());
            for (String name :
                    List.of("model.layers.0.self_attn.q_proj.weight", "model.layers.1.self_attn.q_proj.weight")) {
                assertThat(difference(made.tensor(name), golden.tensor("merged." + name)))
                        .isLessThan(2e-5);
                assertThat(difference(made.tensor(name), base.tensor(name))).isGreaterThan(1e-3);
            }
            assertThat(difference(made.tensor("model.norm.weight"), base.tensor("model.norm.weight")))
                    .isZero();
            assertThat(difference(made.tensor("lm_head.weight"), trained.tensor("base_model.model.lm_head.weight")))
                    .isZero();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"peft-lora-tied-head", "peft-lora-tied-embedding"})
    void anAdapterThatTrainsACopyOfOneEndMergesIntoAnUntiedModel(String adapter) throws Exception {
        Path merged = directory.resolve("merged");
        Path trained = folder(adapter).resolve("trained");
        try (ModelFolder source =
                ModelFolder.pretrained(folder("llama3-rope-tied")).adapted(trained)) {
            ModelExport.of(source, source.folder()).writeModel(Optional.empty(), merged);
        }
        try (TensorScope scope = new TensorScope();
                ModelFolder untied = ModelFolder.pretrained(merged);
                ModelFiles made = ModelFiles.open(merged);
                SafetensorsFile golden = SafetensorsFile.open(folder(adapter).resolve("golden.safetensors"))) {
            assertThat(untied.config().tied()).isFalse();
            for (String name : List.of("lm_head.weight", "model.embed_tokens.weight")) {
                assertThat(difference(made.tensor(name), golden.tensor("merged." + name)))
                        .as(name)
                        .isLessThan(2e-5);
            }
        }
    }

    @Test
    void aMergedModelHasTheDtypeOfItsBaseThroughout() throws Exception {
        Path narrow = directory.resolve("narrow");
        Path merged = directory.resolve("merged");
        try (ModelFolder base = ModelFolder.pretrained(folder("llama"))) {
            ModelExport.of(base, base.folder()).writeModel(Optional.of(StoredType.BF16), narrow);
        }
        try (ModelFolder source = ModelFolder.pretrained(narrow).adapted(folder("peft-lora-modules-to-save"))) {
            ModelExport.of(source, narrow).writeModel(Optional.empty(), merged);
        }
        assertThat(dtypes(merged)).containsOnly(StoredType.BF16);
    }

    @Test
    void aFailureLeavesNoFolder() throws Exception {
        Path out = directory.resolve("out");
        try (ModelFolder base = ModelFolder.pretrained(folder("llama"))) {
            ModelExport broken = new ModelExport(
                    base,
                    name -> {
                        throw new IllegalStateException("no weights today");
                    },
                    base.folder(),
                    Optional.empty());
            assertThatThrownBy(() -> broken.write(out)).hasMessage("no weights today");
        }
        assertThat(directory).isEmptyDirectory();
    }

    /** A checkpoint of a run that has not begun. */
    @MustBeClosed
    private CheckpointWeights untrained(ModelFolder base, Precision precision) {
        List<UnitLayout> layout = base.units().stream()
                .map(unit -> UnitLayout.whole(unit, precision))
                .toList();
        Path file = directory.resolve("rank-00000.safetensors");
        try (ModelShard shard = new ModelShard(base, layout);
                Optimizer optimizer = new AdamW(OptimizerConfig.adamW(1e-2, 0, 1), shard.groups());
                LossScale lossScale = LossScale.of(precision, Device.CPU)) {
            shard.load(base);
            List<StoredBox> boxes = CheckpointWriter.write(file, new RankState(base, shard, optimizer, lossScale), 0)
                    .boxes();
            return CheckpointWeights.open(List.of(new StoredFile(file, boxes)));
        }
    }

    private static List<StoredType> dtypes(Path folder) {
        try (ModelFiles files = ModelFiles.open(folder)) {
            return files.names().stream().map(name -> files.entry(name).dtype()).toList();
        }
    }

    private static double difference(Tensor left, Tensor right) {
        return torch.max(left.sub(right).abs()).to(ScalarType.Double).item_double();
    }

    private static Path folder(String golden) throws URISyntaxException {
        return Path.of(ModelExportTest.class.getResource("/goldens/" + golden).toURI());
    }
}
