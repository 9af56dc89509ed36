// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.adapter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ModelFolder;
import org.chorale.model.adapter.LoraConfig.Initialize;
import org.chorale.model.decoder.Decoder;
import org.chorale.model.layer.Parameter;
import org.chorale.model.layer.Tape;
import org.chorale.model.layer.Units;
import org.chorale.model.outline.ConfigJson;
import org.chorale.model.outline.InvalidModelException;
import org.chorale.model.outline.NamePattern;
import org.chorale.model.outline.UnitOutline.ParameterOutline;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.safetensors.SafetensorsFile;
import org.chorale.tensor.safetensors.SafetensorsWriter;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Adapters that PEFT has written are read, computed with, merged and written again as PEFT does it. */
final class PeftFilesTest {
    private static final Path GOLDENS = Path.of("src/test/resources/goldens");
    private static final Path BASE = GOLDENS.resolve("llama");

    @TempDir
    private Path folder;

    @ParameterizedTest
    @ValueSource(strings = {"peft-lora-llama", "peft-lora-modules-to-save", "peft-lora-head"})
    void theLogitsAreThoseOfPeft(String name) {
        try (TensorScope scope = new TensorScope();
                ModelFolder model = ModelFolder.pretrained(BASE).adapted(GOLDENS.resolve(name));
                SafetensorsFile golden =
                        SafetensorsFile.open(GOLDENS.resolve(name).resolve("golden.safetensors"));
                Tape tape = new Tape()) {
            Map<String, Tensor> values = values(model);
            try (Decoder llama = model.model(parameter(values), Units.ALWAYS_OPEN)) {
                Tensor tokens = golden.tensor("input_ids");
                Tensor expected = golden.tensor("logits");
                Tensor hidden = llama.forward(
                        tokens.flatten(),
                        llama.context(tokens.size(0), tokens.size(1), golden.tensor("attention_mask")),
                        tape);
                Tensor logits = llama.logits(hidden).view(expected.shape());
                assertThat(logits.sub(expected).abs().max().item_double()).isLessThan(1e-5);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"peft-lora-llama", "peft-lora-modules-to-save", "peft-lora-head"})
    void anAdapterIsWrittenByteByByteAsPeftWritesIt(String name) throws IOException {
        Path trained = GOLDENS.resolve(name).resolve("trained");
        try (TensorScope scope = new TensorScope();
                ModelFolder model = ModelFolder.pretrained(BASE).adapted(trained)) {
            Map<String, Tensor> values = values(model);
            model.adapter().orElseThrow().write(folder, parameter -> value(values, parameter));
        }
        assertThat(folder.resolve("adapter_config.json"))
                .hasSameBinaryContentAs(trained.resolve("adapter_config.json"));
        assertThat(folder.resolve("adapter_model.safetensors"))
                .hasSameBinaryContentAs(trained.resolve("adapter_model.safetensors"));
    }

    @Test
    void theHeadUnderAnAdapterIsTheOneOfTheAdaptersFile() throws IOException {
        Path golden = GOLDENS.resolve("peft-lora-head");
        String stored = "base_model.model.lm_head.base_layer.weight";
        Files.copy(golden.resolve("adapter_config.json"), folder.resolve("adapter_config.json"));
        try (TensorScope scope = new TensorScope();
                SafetensorsFile file = SafetensorsFile.open(golden.resolve("adapter_model.safetensors"))) {
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            file.entries().forEach(entry -> tensors.put(entry.name(), file.tensor(entry.name())));
            Tensor own = HostTensors.zeros(ScalarType.Float, 199, 48).fill_(Scalars.of(0.5));
            tensors.put(stored, own);
            assertThat(headWith(tensors).equal(own)).isTrue();
            tensors.remove(stored); // as releases before 0.6 wrote it
            assertThat(headWith(tensors).equal(file.tensor(stored))).isTrue();
            tensors.put(stored, HostTensors.zeros(ScalarType.Float, 200, 48));
            assertThatThrownBy(() -> headWith(tensors))
                    .isInstanceOf(InvalidModelException.class)
                    .hasMessageContaining(stored + ": has shape [200, 48], must be [199, 48]");
        }
    }

    private Tensor headWith(Map<String, Tensor> tensors) {
        SafetensorsWriter.write(folder.resolve("adapter_model.safetensors"), tensors);
        try (ModelFolder model = ModelFolder.pretrained(BASE).adapted(folder)) {
            return value(values(model), "lm_head.weight");
        }
    }

    static Stream<Arguments> headTargets() {
        return Stream.of(
                Arguments.of(ModuleSelection.suffixes(List.of("q_proj", "lm_head")), true),
                Arguments.of(ModuleSelection.matching(NamePattern.regex("lm_head")), true),
                Arguments.of(ModuleSelection.matching(NamePattern.regex("lm_h..d")), false));
    }

    @ParameterizedTest
    @MethodSource("headTargets")
    void theHeadIsSavedWhereTheTargetsNameItAsPeftLooksForIt(ModuleSelection targets, boolean saved) {
        try (ModelFolder model = ModelFolder.pretrained(BASE).adapted(lora(4, 8, targets, List.of()), 0)) {
            List<String> stored = model.adapter().orElseThrow().stored().stream()
                    .map(ParameterOutline::name)
                    .toList();
            assertThat(stored).contains("lm_head.lora_A.weight");
            assertThat(stored.contains("lm_head.weight")).isEqualTo(saved);
        }
    }

    @Test
    void aNewAdapterHasPeftsStructure() throws IOException {
        Path golden = GOLDENS.resolve("peft-lora-modules-to-save");
        LoraConfig lora = lora(4, 8, ModuleSelection.ALL_LINEAR, List.of("lm_head"));
        try (TensorScope scope = new TensorScope();
                ModelFolder model = ModelFolder.pretrained(BASE).adapted(lora, 3)) {
            Map<String, Tensor> values = values(model);
            model.adapter().orElseThrow().write(folder, parameter -> value(values, parameter));
        }
        ObjectNode ours = json(folder);
        ObjectNode theirs = json(golden);
        assertThat(sorted(ours, "target_modules")).isEqualTo(sorted(theirs, "target_modules"));
        theirs.set("target_modules", ours.get("target_modules")); // a set in PEFT: in no order
        theirs.set("base_model_name_or_path", ours.get("base_model_name_or_path"));
        assertThat(Files.readString(folder.resolve("adapter_config.json"))).isEqualTo(PythonJson.write(theirs));
        try (SafetensorsFile mine = SafetensorsFile.open(folder.resolve("adapter_model.safetensors"));
                SafetensorsFile its = SafetensorsFile.open(golden.resolve("adapter_model.safetensors"))) {
            assertThat(mine.entries()).isEqualTo(its.entries());
            assertThat(mine.metadata()).isEqualTo(its.metadata());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"peft-lora-llama", "peft-lora-modules-to-save", "peft-lora-head"})
    void mergedWeightsAreThoseOfPeft(String name) {
        Path trained = GOLDENS.resolve(name).resolve("trained");
        try (TensorScope scope = new TensorScope();
                ModelFolder model = ModelFolder.pretrained(BASE).adapted(trained);
                SafetensorsFile golden =
                        SafetensorsFile.open(GOLDENS.resolve(name).resolve("golden.safetensors"))) {
            Map<String, Tensor> values = values(model);
            List<String> merged = golden.entries().stream()
                    .map(entry -> entry.name())
                    .filter(key -> key.startsWith("merged."))
                    .toList();
            assertThat(merged).isNotEmpty();
            for (String key : merged) {
                Tensor ours = model.merged(key.substring("merged.".length()), parameter -> value(values, parameter));
                assertThat(ours.sub(golden.tensor(key)).abs().max().item_double())
                        .isLessThan(1e-7);
            }
            LoraModule module =
                    model.adapter().orElseThrow().adapter().modules().get(0);
            Tensor weight = value(values, module.linear().module() + ".weight");
            Function<String, Tensor> own = parameter -> value(values, parameter);
            assertThat(module.merged(weight, own).equal(weight)).isFalse();
            assertThat(module.merged(weight.to(ScalarType.BFloat16), own)
                            .scalar_type()
                            .intern())
                    .isEqualTo(ScalarType.BFloat16);
        }
    }

    @Test
    void onlyTheAdapterAndItsModulesToSaveAreTrained() {
        try (ModelFolder model = ModelFolder.pretrained(BASE)
                .adapted(lora(4, 8, ModuleSelection.suffixes(List.of("q_proj")), List.of("lm_head")), 0)) {
            assertThat(model.units().stream()
                            .flatMap(unit -> unit.parameters().stream())
                            .filter(ParameterOutline::trainable)
                            .map(ParameterOutline::name))
                    .containsExactly(
                            "model.layers.0.self_attn.q_proj.lora_A.weight",
                            "model.layers.0.self_attn.q_proj.lora_B.weight",
                            "model.layers.1.self_attn.q_proj.lora_A.weight",
                            "model.layers.1.self_attn.q_proj.lora_B.weight",
                            "model.layers.2.self_attn.q_proj.lora_A.weight",
                            "model.layers.2.self_attn.q_proj.lora_B.weight",
                            "lm_head.weight");
        }
    }

    @Test
    void aNewAdapterChangesNothingAndIsDrawnFromSeedAndName() {
        try (TensorScope scope = new TensorScope();
                ModelFolder one =
                        ModelFolder.pretrained(BASE).adapted(lora(4, 8, ModuleSelection.ALL_LINEAR, List.of()), 1);
                ModelFolder two =
                        ModelFolder.pretrained(BASE).adapted(lora(4, 8, ModuleSelection.ALL_LINEAR, List.of()), 2)) {
            String down = "model.layers.1.mlp.down_proj.lora_A.weight";
            Tensor first = value(values(one), down);
            assertThat(first.equal(value(values(one), down))).isTrue();
            assertThat(first.equal(value(values(two), down))).isFalse();
            double bound = 1 / Math.sqrt(96);
            assertThat(first.abs().max().item_double())
                    .isLessThanOrEqualTo(bound)
                    .isGreaterThan(0.9 * bound);
            assertThat(value(values(one), "model.layers.1.mlp.down_proj.lora_B.weight")
                            .abs()
                            .max()
                            .item_double())
                    .isZero();
        }
    }

    static Stream<Arguments> unsupported() {
        return Stream.of(
                Arguments.of("use_qalora", "true", "use_qalora = true: is not supported"),
                Arguments.of("peft_type", "\"IA3\"", "peft_type = \"IA3\": only LORA is supported"),
                Arguments.of("task_type", "\"SEQ_CLS\"", "task_type = \"SEQ_CLS\": only CAUSAL_LM"),
                Arguments.of("bias", "\"all\"", "bias = \"all\": only none is supported"),
                Arguments.of(
                        "target_parameters",
                        "[\"gate_up_proj\"]",
                        "target_parameters = [\"gate_up_proj\"]: adapters of stacked experts are not supported"),
                Arguments.of("layer_replication", "[[0, 2]]", "layer_replication = [[0,2]]: is not supported"),
                Arguments.of("init_lora_weights", "\"pissa_niter_4\"", "save it with path_initial_model_for"),
                Arguments.of("init_lora_weights", "\"loftq\"", "\"loftq\": only true, gaussian and pissa"),
                Arguments.of("fan_in_fan_out", "true", "fan_in_fan_out = true: is not supported"),
                Arguments.of("trainable_token_indices", "[1]", "trainable_token_indices = [1]: is not supported"),
                Arguments.of("from_the_future", "{\"a\": 1}", "from_the_future = {\"a\":1}: is not supported"));
    }

    @ParameterizedTest
    @MethodSource("unsupported")
    void whatIsNotSupportedIsRefusedByName(String field, String value, String words) throws IOException {
        assertThatThrownBy(() -> openWith(config -> config.set(field, parsed(value))))
                .isInstanceOfSatisfying(
                        InvalidModelException.class,
                        e -> assertThat(e.reason()).isEqualTo(InvalidModelException.Reason.UNSUPPORTED))
                .hasMessageContaining("adapter_config.json: ")
                .hasMessageContaining(words);
    }

    static Stream<Arguments> malformed() {
        return Stream.of(
                Arguments.of("r", "0", "r = 0: must be a whole number from 1"),
                Arguments.of("r", "1e99", "r = 1.0E99: must be a whole number"),
                Arguments.of("lora_alpha", "-1", "lora_alpha = -1: must be a number above 0"),
                Arguments.of("lora_dropout", "1.0", "lora_dropout = 1.0: must be a number from 0 to below 1"),
                Arguments.of("target_modules", "null", "target_modules = null: must be a list of names, a regular"),
                Arguments.of("target_modules", "[1]", "target_modules = [1]: must be a list of names"),
                Arguments.of("target_modules", "\"(\"", "target_modules = (: is no regular expression"),
                Arguments.of("target_modules", "\"(a*)*(?=b)\"", "without look-around"),
                Arguments.of("target_modules", "[\"qproj\"]", "no such module; the nearest is q_proj"),
                Arguments.of("target_modules", "[\"all_linear\"]", "no such module; the nearest is all-linear"),
                Arguments.of(
                        "target_modules", "[\"all-linear\", \"q_proj\"]", "target all-linear: stands for every linear"),
                Arguments.of("target_modules", "[\"norm\"]", "target norm: is no linear"),
                Arguments.of("modules_to_save", "[\"lm_haed\"]", "the nearest is lm_head"),
                Arguments.of("rank_pattern", "{\"q_proj\": \"4\"}", "must be an object of names and numbers"),
                Arguments.of("rank_pattern", "{\"q_proj\": 0}", "rank-pattern.q_proj = 0: must be a whole number"),
                Arguments.of("rank_pattern", "{\"(\": 2}", "rank-pattern.(: is no regular expression"),
                Arguments.of("layers_to_transform", "[-1]", "layers_to_transform = [-1]: must be a whole number"));
    }

    @ParameterizedTest
    @MethodSource("malformed")
    void aValueThatCannotBeIsRefusedWithItsField(String field, String value, String words) throws IOException {
        assertThatThrownBy(() -> openWith(config -> config.set(field, parsed(value))))
                .isInstanceOf(InvalidModelException.class)
                .hasMessageContaining("adapter_config.json: ")
                .hasMessageContaining(words);
    }

    @Test
    void everyTensorThatIsMissingForeignOrMisshapenIsListed() throws IOException {
        Path golden = GOLDENS.resolve("peft-lora-llama");
        Files.copy(golden.resolve("adapter_config.json"), folder.resolve("adapter_config.json"));
        try (TensorScope scope = new TensorScope();
                SafetensorsFile file = SafetensorsFile.open(golden.resolve("adapter_model.safetensors"))) {
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            file.entries().forEach(entry -> tensors.put(entry.name(), file.tensor(entry.name())));
            String prefix = "base_model.model.model.layers.0.mlp.";
            tensors.remove(prefix + "down_proj.lora_A.weight");
            tensors.put(prefix + "up_proj.lora_B.weight", HostTensors.zeros(ScalarType.Float, 3, 4));
            tensors.put(prefix + "gate_proj.lora_A.weight", HostTensors.zeros(ScalarType.Int, 4, 48));
            tensors.put("base_model.model.lm_head.weight", HostTensors.zeros(ScalarType.Float, 1));
            SafetensorsWriter.write(folder.resolve("adapter_model.safetensors"), tensors);
            assertThatThrownBy(
                            () -> ModelFolder.pretrained(BASE).adapted(folder).close())
                    .isInstanceOf(InvalidModelException.class)
                    .hasMessageContaining(prefix + "down_proj.lora_A.weight: is missing, must be [4, 96]")
                    .hasMessageContaining(prefix + "up_proj.lora_B.weight: has shape [3, 4], must be [96, 4]")
                    .hasMessageContaining(prefix + "gate_proj.lora_A.weight: has dtype I32, must be F32, BF16")
                    .hasMessageContaining("base_model.model.lm_head.weight: adapter_config.json does not ask for it");
        }
    }

    @Test
    void aPickleFileIsRefusedByNameAndAMissingFileIsNamed() throws IOException {
        Files.copy(GOLDENS.resolve("peft-lora-llama/adapter_config.json"), folder.resolve("adapter_config.json"));
        assertThatThrownBy(() -> ModelFolder.pretrained(BASE).adapted(folder).close())
                .hasMessageContaining("adapter_model.safetensors");
        Files.writeString(folder.resolve("adapter_model.bin"), "x");
        assertThatThrownBy(() -> ModelFolder.pretrained(BASE).adapted(folder).close())
                .isInstanceOf(InvalidModelException.class)
                .hasMessageContaining("adapter_model.bin: is a pickle file");
        assertThatThrownBy(() -> ModelFolder.pretrained(BASE)
                        .adapted(folder.resolve("nowhere"))
                        .close())
                .hasMessageContaining("nowhere: is not a folder");
    }

    @Test
    void aFolderWithAnAdapterAloneIsNoModelAndSaysWhatToDo() {
        assertThatThrownBy(() -> ModelFolder.pretrained(GOLDENS.resolve("peft-lora-llama")))
                .isInstanceOf(InvalidModelException.class)
                .hasMessageContaining("peft-lora-llama: holds an adapter without its model: name the model's folder");
    }

    @Test
    void jsonIsLaidOutAsPythonDoesIt() {
        assertThat(PythonJson.write(parsed("""
                {"b": [1, 2.5, []], "a": {"z": {}, "ä\\n\\"": null}, "n": [0.1, 1e-5, 1.5e-7, 0.0001, 1e16, 123456.0, -2.0]}"""))).isEqualTo("""
                        {
                          "a": {
                            "z": {},
                            "\\u00e4\\n\\"": null
                          },
                          "b": [
                            1,
                            2.5,
                            []
                          ],
                          "n": [
                            0.1,
                            1e-05,
                            1.5e-07,
                            0.0001,
                            1e+16,
                            123456.0,
                            -2.0
                          ]
                        }""");
    }

    private void openWith(Consumer<ObjectNode> change) throws IOException {
        Path golden = GOLDENS.resolve("peft-lora-llama");
        ObjectNode config = json(golden);
        change.accept(config);
        Files.writeString(folder.resolve("adapter_config.json"), config.toString());
        Files.copy(golden.resolve("adapter_model.safetensors"), folder.resolve("adapter_model.safetensors"));
        ModelFolder.pretrained(BASE).adapted(folder).close();
    }

    private static LoraConfig lora(int rank, double alpha, ModuleSelection targets, List<String> saved) {
        return new LoraConfig(
                rank,
                alpha,
                0,
                targets,
                ModuleSelection.NOTHING,
                Map.of(),
                Map.of(),
                false,
                false,
                saved,
                List.of(),
                List.of(),
                Initialize.UNIFORM,
                Optional.empty());
    }

    private static Map<String, Tensor> values(ModelFolder model) {
        Map<String, Tensor> values = new LinkedHashMap<>();
        model.units().stream().flatMap(unit -> unit.parameters().stream()).forEach(parameter -> {
            long[] shape = parameter.shape().stream().mapToLong(Long::longValue).toArray();
            Tensor value = HostTensors.zeros(ScalarType.Float, shape);
            model.copyInto(parameter.name(), 0, parameter.elements(), value.view(-1L));
            values.put(parameter.name(), value);
        });
        return values;
    }

    private static Function<String, Parameter> parameter(Map<String, Tensor> values) {
        return name -> new Parameter(name, value(values, name), null);
    }

    private static Tensor value(Map<String, Tensor> values, String name) {
        return Objects.requireNonNull(values.get(name), name);
    }

    private static List<String> sorted(ObjectNode json, String field) {
        return Stream.of(json.get(field).toString().replaceAll("[\\[\\]\"]", "").split(","))
                .sorted()
                .toList();
    }

    private static ObjectNode json(Path folder) {
        return (ObjectNode) ConfigJson.read(folder, "adapter_config.json", "").root();
    }

    private static JsonNode parsed(String json) {
        try {
            return new JsonMapper().readTree(json);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException(e);
        }
    }
}
