// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.adapter.LoraConfig;
import org.chorale.model.adapter.LoraConfig.Initialize;
import org.chorale.model.adapter.ModuleSelection;
import org.chorale.model.decoder.AttentionConfig;
import org.chorale.model.decoder.DecoderConfig;
import org.chorale.model.decoder.RopeFrequencies;
import org.chorale.model.decoder.RopeScaling;
import org.chorale.model.outline.Freezing;
import org.chorale.model.outline.InvalidModelException;
import org.chorale.model.outline.NamePattern;
import org.chorale.model.outline.UnitOutline.ParameterOutline;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.safetensors.SafetensorsWriter;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What a model folder may say, and what it gets told where it may not. */
final class ModelFolderTest {
    private static final String SIZES = """
            "model_type": "llama", "vocab_size": 10, "hidden_size": 8, "intermediate_size": 12,
            "num_hidden_layers": 1, "num_attention_heads": 2""";

    private static final LoraConfig LORA = new LoraConfig(
            2,
            4,
            0,
            ModuleSelection.ALL_LINEAR,
            ModuleSelection.NOTHING,
            Map.of(),
            Map.of(),
            false,
            false,
            List.of(),
            List.of(),
            List.of(),
            Initialize.GAUSSIAN,
            Optional.empty());

    @TempDir
    private Path folder;

    @Test
    void defaultsAreThoseOfTransformers() throws IOException {
        DecoderConfig config = config("{" + SIZES + "}");
        AttentionConfig attention = config.blocks().get(0).attention();
        assertThat(attention.keyValueHeads()).isEqualTo(2);
        assertThat(attention.headWidth()).isEqualTo(4);
        assertThat(config.norm().epsilon()).isEqualTo(1e-6);
        assertThat(config.contextTokens()).isEqualTo(2048);
        assertThat(attention.rope()).isEqualTo(new RopeFrequencies(4, 10_000, new RopeScaling.None()));
        assertThat(config.tied()).isFalse();
        assertThat(attention.output().bias()).isFalse();
    }

    static Stream<String> bothReleasesOfTransformers() {
        String factors = """
                "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32""";
        return Stream.of("""
                "rope_parameters": {"rope_type": "llama3", "rope_theta": 500000.0, %s}, "dtype": "float32\"""".formatted(factors), """
                "rope_theta": 500000.0, "rope_scaling": {"rope_type": "llama3", %s}, "torch_dtype": "bfloat16\"""".formatted(factors), """
                "rope_theta": 500000, "rope_scaling": {"type": "llama3", %s}, "head_dim": null, "rope_parameters": null""".formatted(factors));
    }

    @ParameterizedTest
    @MethodSource("bothReleasesOfTransformers")
    void ropeIsReadAsBothReleasesWriteIt(String rope) throws IOException {
        DecoderConfig config = config("{" + SIZES + ", " + rope + "}");
        assertThat(config.blocks().get(0).attention().rope())
                .isEqualTo(new RopeFrequencies(4, 500_000, new RopeScaling.Llama3(8, 1, 4, 32)));
    }

    static Stream<Arguments> badConfigurations() {
        return Stream.of(
                Arguments.of("{\"model_type\": \"bert\"}", "model_type = bert: supported are gemma2, gemma3_text"),
                Arguments.of("{}", "model_type is missing: supported are gemma2"),
                Arguments.of("[]", "must hold a JSON object"),
                Arguments.of("{\"model_type\": ", "is not JSON"),
                Arguments.of("{\"model_type\": \"llama\", \"model_type\": \"llama\"}", "is not JSON"),
                Arguments.of("{\"model_type\": \"llama\"}", "hidden_size is missing"),
                Arguments.of("{" + SIZES.replace("8", "-8") + "}", "hidden_size = -8: must be a whole number from 1"),
                Arguments.of("{" + SIZES.replace("10", "99999999999") + "}", "vocab_size = 99999999999: must be"),
                Arguments.of("{" + SIZES.replace("10", "1e9") + "}", "vocab_size = 1.0E9: must be a whole number"),
                Arguments.of(
                        "{" + SIZES.replace("layers\": 1", "layers\": 1000000") + "}", "num_hidden_layers = 1000000"),
                Arguments.of("{" + SIZES.replace("heads\": 2", "heads\": 3") + "}", "must divide hidden_size = 8"),
                Arguments.of("{" + SIZES + ", \"num_key_value_heads\": 3}", "must divide num_attention_heads = 2"),
                Arguments.of("{" + SIZES + ", \"head_dim\": 5}", "head_dim = 5: must be even"),
                Arguments.of("{" + SIZES + ", \"rms_norm_eps\": 0}", "rms_norm_eps = 0: must be a number above 0"),
                Arguments.of("{" + SIZES + ", \"mlp_bias\": \"yes\"}", "mlp_bias = \"yes\": must be true or false"),
                Arguments.of(
                        "{" + SIZES + ", \"hidden_act\": \"relu\"}",
                        "hidden_act = relu: supported are gelu, gelu_fast"),
                Arguments.of("{" + SIZES + ", \"attention_dropout\": 0.1}", "attention_dropout = 0.1: only 0"),
                Arguments.of("{" + SIZES + ", \"quantization_config\": {}}", "quantised weights are not supported"),
                Arguments.of(
                        "{" + SIZES + ", \"rope_scaling\": {\"type\": \"longrope\"}}",
                        "rope_type = longrope: supported are default, linear, dynamic, llama3 and yarn"),
                Arguments.of(
                        "{" + SIZES + ", \"rope_parameters\": {\"rope_type\": \"llama3\", \"factor\": 0}}",
                        "factor = 0: must be a number above 0"),
                Arguments.of(
                        "{" + SIZES + ", \"rope_parameters\": {\"rope_type\": \"llama3\", \"factor\": 8}}",
                        "low_freq_factor is missing"));
    }

    @ParameterizedTest
    @MethodSource("badConfigurations")
    void aBadConfigurationIsRefusedWithFileAndKey(String json, String words) {
        assertThatThrownBy(() -> config(json))
                .isInstanceOf(InvalidModelException.class)
                .hasMessageContaining("config.json: ")
                .hasMessageContaining(words);
    }

    @Test
    void allProblemsOfAConfigurationComeAtOnce() {
        assertThatThrownBy(() -> config("{\"model_type\": \"llama\", \"hidden_size\": 0, \"mlp_bias\": 3}"))
                .hasMessageContaining("hidden_size")
                .hasMessageContaining("vocab_size")
                .hasMessageContaining("mlp_bias");
    }

    @Test
    void aFolderThatIsNotThereIsNamed() {
        assertThatThrownBy(
                        () -> ModelFolder.random(folder.resolve("nothing"), 0).close())
                .hasMessageContaining("nothing")
                .hasMessageContaining("config.json");
        assertThatThrownBy(() -> ModelFolder.random(folder, 0).close()).hasMessageContaining("config.json");
    }

    @Test
    void weightsOfEveryFloatingTypeAreRead() throws IOException {
        for (ScalarType type : List.of(ScalarType.Double, ScalarType.Float, ScalarType.Half, ScalarType.BFloat16)) {
            writeWeights(type, Map.of(), "");
            try (ModelFolder model = ModelFolder.pretrained(folder);
                    TensorScope scope = new TensorScope()) {
                Tensor norm = HostTensors.zeros(ScalarType.Float, 8);
                model.copyInto("model.norm.weight", 0, 8, norm);
                assertThat(norm.sum().item_float()).isEqualTo(8);
            }
        }
    }

    @Test
    void whatWeightsLackHaveTooMuchOrHaveWrongIsListedAtOnce() throws IOException {
        writeWeights(
                ScalarType.Float,
                Map.of("model.norm.weight", new long[] {9}, "stranger.weight", new long[] {1}),
                "lm_head");
        assertThatThrownBy(() -> ModelFolder.pretrained(folder).close())
                .isInstanceOf(InvalidModelException.class)
                .hasMessageContaining("lm_head.weight: is missing, must be [10, 8]")
                .hasMessageContaining("model.norm.weight: has shape [9], must be [8]")
                .hasMessageContaining("stranger.weight: config.json does not ask for it");
    }

    @Test
    void weightsOfAnotherKindAreRefusedWithTheirType() throws IOException {
        writeWeights(ScalarType.Int, Map.of(), "");
        assertThatThrownBy(() -> ModelFolder.pretrained(folder).close())
                .hasMessageContaining("model.norm.weight: has dtype I32, must be F32, BF16, F16 or F64");
    }

    @Test
    void drawnWeightsDependOnSeedAndNameAlone() throws IOException {
        config("{" + SIZES + "}");
        String name = "model.layers.0.mlp.up_proj.weight";
        assertThat(drawn(1, name)).isEqualTo(drawn(1, name)).isNotEqualTo(drawn(2, name));
        assertThat(drawn(1, name)).isNotEqualTo(drawn(1, "model.layers.0.mlp.gate_proj.weight"));
        assertThat(drawn(1, "model.norm.weight")).isEqualTo(8 * 1.0);
    }

    static Stream<Function<Path, ModelFolder>> sources() {
        return Stream.of(
                folder -> ModelFolder.random(folder, 3),
                ModelFolder::pretrained,
                folder -> ModelFolder.pretrained(folder).adapted(LORA, 5),
                folder -> ModelFolder.pretrained(folder).adapted(folder.resolve("adapter")));
    }

    @ParameterizedTest
    @MethodSource("sources")
    void partsOfAParameterAreWhatTheyAreInTheWhole(Function<Path, ModelFolder> source) throws IOException {
        config("{" + SIZES + "}");
        writeDrawn();
        writeAdapter();
        try (ModelFolder model = source.apply(folder);
                TensorScope scope = new TensorScope()) {
            for (ParameterOutline parameter : model.units().stream()
                    .flatMap(unit -> unit.parameters().stream())
                    .toList()) {
                long elements = parameter.elements();
                Tensor whole = read(model, parameter.name(), 0, elements);
                Tensor head = read(model, parameter.name(), 0, elements / 3);
                Tensor tail = read(model, parameter.name(), elements / 3, elements);
                assertThat(torch.equal(torch.cat(new TensorVector(head, tail)), whole))
                        .as(parameter.name())
                        .isTrue();
            }
        }
    }

    @Test
    void frozenParametersAreStillReadButHaveNoGradient() throws IOException {
        config("{" + SIZES + "}");
        Freezing freezing = new Freezing(List.of(NamePattern.glob("model.**")), List.of());
        try (ModelFolder model = ModelFolder.random(folder, 1).with(freezing)) {
            assertThat(model.units().stream().flatMap(unit -> unit.parameters().stream()))
                    .allSatisfy(parameter -> assertThat(parameter.trainable())
                            .as(parameter.name())
                            .isEqualTo(parameter.name().equals("lm_head.weight")));
        }
    }

    @Test
    void patternsThatFitNothingAreRefusedWithTheFolder() throws IOException {
        config("{" + SIZES + "}");
        Freezing freezing = new Freezing(List.of(NamePattern.glob("lm_haed.*")), List.of());
        assertThatThrownBy(() -> ModelFolder.random(folder, 1).with(freezing).close())
                .isInstanceOf(InvalidModelException.class)
                .hasMessage(folder + ": model.freeze = lm_haed.*: matches no parameter; the nearest is lm_head.weight");
    }

    private static Tensor read(ModelFolder model, String parameter, long from, long until) {
        Tensor target = HostTensors.zeros(ScalarType.Float, until - from);
        model.copyInto(parameter, from, until, target);
        return target;
    }

    /** Weights that differ from each other. */
    private void writeDrawn() {
        try (ModelFolder model = ModelFolder.random(folder, 7);
                TensorScope scope = new TensorScope()) {
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            model.units().stream()
                    .flatMap(unit -> unit.parameters().stream())
                    .forEach(parameter -> tensors.put(
                            parameter.name(),
                            read(model, parameter.name(), 0, parameter.elements())
                                    .view(shape(parameter))));
            SafetensorsWriter.write(folder.resolve("model.safetensors"), tensors);
        }
    }

    private void writeAdapter() {
        try (ModelFolder model = ModelFolder.pretrained(folder).adapted(LORA, 6);
                TensorScope scope = new TensorScope()) {
            model.adapter().orElseThrow().write(folder.resolve("adapter"), name -> {
                long[] shape = model.units().stream()
                        .flatMap(unit -> unit.parameters().stream())
                        .filter(parameter -> parameter.name().equals(name))
                        .flatMapToLong(parameter -> LongStream.of(shape(parameter)))
                        .toArray();
                return HostTensors.empty(ScalarType.Float, shape).normal_();
            });
        }
    }

    private double drawn(long seed, String name) {
        try (ModelFolder model = ModelFolder.random(folder, seed);
                TensorScope scope = new TensorScope()) {
            long elements = model.units().stream()
                    .flatMap(unit -> unit.parameters().stream())
                    .filter(parameter -> parameter.name().equals(name))
                    .mapToLong(ParameterOutline::elements)
                    .sum();
            Tensor values = HostTensors.zeros(ScalarType.Float, elements);
            model.copyInto(name, 0, elements, values);
            return values.sum().item_double();
        }
    }

    /** All ones, except that some have other shapes and one is left out. */
    private void writeWeights(ScalarType type, Map<String, long[]> otherShapes, String leftOut) throws IOException {
        DecoderConfig config = config("{" + SIZES + "}");
        try (TensorScope scope = new TensorScope()) {
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            config.units().stream()
                    .flatMap(unit -> unit.parameters().stream())
                    .filter(parameter -> leftOut.isEmpty() || !parameter.name().startsWith(leftOut))
                    .forEach(parameter -> tensors.put(parameter.name(), ones(type, shape(parameter))));
            otherShapes.forEach((name, shape) -> tensors.put(name, ones(type, shape)));
            SafetensorsWriter.write(folder.resolve("model.safetensors"), tensors);
        }
    }

    private static Tensor ones(ScalarType type, long... shape) {
        return HostTensors.zeros(ScalarType.Float, shape).add_(Scalars.of(1)).to(type);
    }

    private static long[] shape(ParameterOutline parameter) {
        return parameter.shape().stream().mapToLong(Long::longValue).toArray();
    }

    private DecoderConfig config(String json) throws IOException {
        Files.writeString(folder.resolve("config.json"), json);
        try (ModelFolder model = ModelFolder.random(folder, 0)) {
            return model.config();
        }
    }
}
