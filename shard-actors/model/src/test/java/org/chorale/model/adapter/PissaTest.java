// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.adapter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ModelFolder;
import org.chorale.model.adapter.LoraConfig.Initialize;
import org.chorale.model.outline.ConfigJson;
import org.chorale.model.outline.InvalidModelException;
import org.chorale.model.outline.UnitOutline.ParameterOutline;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** PiSSA begins as the model, with the largest singular values in A and B, and is saved as an adapter of the whole model. */
final class PissaTest {
    private static final Path BASE = Path.of("src/test/resources/goldens/llama");
    private static final String MODULE = "model.layers.1.mlp.down_proj";
    private static final String WEIGHT = MODULE + ".weight"; // [48, 96]
    private static final String DOWN = MODULE + ".lora_A.weight";
    private static final String UP = MODULE + ".lora_B.weight";
    private static final int RANK = 4;
    private static final double SCALE = 2;

    @TempDir
    private Path out;

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void theFactorsHoldTheLargestSingularValuesAndTheWeightTheRest(boolean randomised) {
        try (TensorScope scope = new TensorScope();
                ModelFolder base = ModelFolder.pretrained(BASE);
                ModelFolder model = adapted(pissa(randomised ? Optional.of(16) : Optional.empty(), false, false))) {
            Tensor whole = value(base, WEIGHT);
            Tensor product = value(model, UP).mm(value(model, DOWN)).mul(Scalars.of(SCALE));
            assertThat(distance(value(model, WEIGHT).add(product), whole)).isLessThan(1e-7);
            Tensor all = torch.linalg_svdvals(whole.to(ScalarType.Double));
            Tensor principal =
                    torch.linalg_svdvals(product.to(ScalarType.Double)).narrow(0, 0, RANK);
            Tensor rest = torch.linalg_svdvals(value(model, WEIGHT).to(ScalarType.Double));
            double tolerance = randomised ? 1e-3 : 1e-6;
            assertThat(distance(principal, all.narrow(0, 0, RANK))).isLessThan(tolerance);
            assertThat(distance(rest.narrow(0, 0, 48 - RANK), all.narrow(0, RANK, 48 - RANK)))
                    .isLessThan(tolerance);
            Tensor balance = value(model, DOWN)
                    .square()
                    .sum(1)
                    .sub(value(model, UP).square().sum(0));
            assertThat(balance.abs().max().item_double()).isLessThan(1e-5);
        }
    }

    /** So a run that goes on finds the bits that it stopped with: the rests are in no checkpoint. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void everyPieceIsWhatItIsInTheWholeWhoeverComputesItAndWhenever(boolean randomised) {
        Optional<Integer> iterations = randomised ? Optional.of(2) : Optional.empty();
        try (TensorScope scope = new TensorScope();
                ModelFolder one = adapted(pissa(iterations, false, true));
                ModelFolder other = adapted(pissa(iterations, false, true))) {
            for (String name : List.of(WEIGHT, UP, DOWN, MODULE + ".lora_magnitude_vector.weight")) {
                Tensor whole = value(one, name).flatten();
                for (long from = 0; from < whole.numel(); from += 37) {
                    long until = Math.min(from + 37, whole.numel());
                    Tensor part = HostTensors.empty(ScalarType.Float, until - from);
                    other.copyInto(name, from, until, part);
                    assertThat(part.equal(whole.narrow(0, from, until - from)))
                            .as("%s from %d", name, from)
                            .isTrue();
                }
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"false, false", "true, false", "false, true"})
    void whatIsWrittenDoesToTheWholeModelWhatTheTrainedOneDidToTheRest(boolean rslora, boolean dora)
            throws IOException {
        try (TensorScope scope = new TensorScope();
                ModelFolder model = adapted(pissa(Optional.empty(), rslora, dora))) {
            Map<String, Tensor> trained = new LinkedHashMap<>();
            outlines(model).forEach(outline -> {
                Tensor value = value(model, outline.name());
                trained.put(outline.name(), outline.trainable() ? value.add(torch.randn_like(value)) : value);
            });
            model.adapter().orElseThrow().write(out, name -> get(trained, name));
            var json = ConfigJson.read(out, "adapter_config.json", "").root();
            assertThat(json.path("init_lora_weights").asBoolean()).isTrue();
            assertThat(json.path("r").asInt()).isEqualTo(2 * RANK);
            assertThat(json.path("rank_pattern").path("k_proj").asInt()).isEqualTo(4);
            assertThat(json.path("alpha_pattern").path("q_proj").asDouble()).isEqualTo(rslora ? 3 * Math.sqrt(2) : 6);
            try (ModelFolder converted = ModelFolder.pretrained(BASE).adapted(out)) {
                for (LoraModule module : model.adapter().orElseThrow().adapter().modules()) {
                    Tensor expected = model.merged(module.weight(), name -> get(trained, name));
                    Tensor actual = converted.merged(module.weight(), name -> value(converted, name));
                    assertThat(distance(actual, expected)).as(module.weight()).isLessThan(2e-5);
                }
                assertThat(value(converted, "lm_head.weight")
                                .equal(value(ModelFolder.pretrained(BASE), "lm_head.weight")))
                        .as("the base's head goes with the adapter, whole")
                        .isTrue();
            }
        }
    }

    @Test
    void anAdapterThatPeftSavedUnconvertedStandsOnTheRests() throws IOException {
        Path golden = BASE.resolveSibling("peft-lora-llama");
        String json = Files.readString(golden.resolve("adapter_config.json"));
        Files.writeString(
                out.resolve("adapter_config.json"),
                json.replace("\"init_lora_weights\": true", "\"init_lora_weights\": \"pissa\""));
        Files.copy(golden.resolve("adapter_model.safetensors"), out.resolve("adapter_model.safetensors"));
        try (TensorScope scope = new TensorScope();
                ModelFolder plain = ModelFolder.pretrained(BASE).adapted(golden);
                ModelFolder model = ModelFolder.pretrained(BASE).adapted(out);
                ModelFolder fresh = adapted(pissa(Optional.empty(), false, false))) {
            assertThat(value(model, DOWN).equal(value(plain, DOWN))).isTrue();
            assertThat(distance(value(model, WEIGHT), value(fresh, WEIGHT))).isLessThan(1e-7);
            assertThat(value(plain, WEIGHT).equal(value(model, WEIGHT))).isFalse();
        }
    }

    @Test
    void aRankAboveTheSmallerSideIsRefusedByName() {
        LoraConfig wide = new LoraConfig(
                49,
                49,
                0,
                ModuleSelection.suffixes(List.of("down_proj")),
                ModuleSelection.NOTHING,
                Map.of(),
                Map.of(),
                false,
                false,
                List.of(),
                List.of(),
                List.of(),
                Initialize.PISSA,
                Optional.empty());
        assertThatThrownBy(() -> adapted(wide))
                .isInstanceOf(InvalidModelException.class)
                .hasMessageContaining(
                        "target model.layers.0.mlp.down_proj: has 48 singular values, fewer than its rank 49");
    }

    private static ModelFolder adapted(LoraConfig lora) {
        return ModelFolder.pretrained(BASE).adapted(lora, 7);
    }

    /** Of scale 2 on most linears, of others on some. */
    private static LoraConfig pissa(Optional<Integer> iterations, boolean rslora, boolean dora) {
        return new LoraConfig(
                RANK,
                SCALE * (rslora ? Math.sqrt(RANK) : RANK),
                0,
                ModuleSelection.suffixes(List.of("q_proj", "k_proj", "down_proj", "lm_head")),
                ModuleSelection.NOTHING,
                Map.of("k_proj", 2),
                Map.of("q_proj", 3.0),
                rslora,
                dora,
                List.of(),
                List.of(),
                List.of(),
                Initialize.PISSA,
                iterations);
    }

    private static List<ParameterOutline> outlines(ModelFolder model) {
        return model.units().stream()
                .flatMap(unit -> unit.parameters().stream())
                .toList();
    }

    private static Tensor value(ModelFolder model, String name) {
        ParameterOutline outline = outlines(model).stream()
                .filter(parameter -> parameter.name().equals(name))
                .findFirst()
                .orElseThrow();
        Tensor flat = HostTensors.empty(ScalarType.Float, outline.elements());
        model.copyInto(name, 0, outline.elements(), flat);
        return flat.view(outline.shape().stream().mapToLong(Long::longValue).toArray());
    }

    private static Tensor get(Map<String, Tensor> values, String name) {
        return Objects.requireNonNull(values.get(name), name);
    }

    private static double distance(Tensor a, Tensor b) {
        return a.sub(b).abs().max().item_double();
    }
}
