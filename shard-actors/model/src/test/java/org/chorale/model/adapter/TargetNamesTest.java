// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.adapter;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.chorale.model.adapter.LoraConfig.Initialize;
import org.chorale.model.outline.LinearOutline;
import org.chorale.model.outline.NamePattern;
import org.chorale.model.outline.UnitOutline;
import org.chorale.model.outline.UnitOutline.ParameterOutline;
import org.chorale.tensor.safetensors.SafetensorsHeader;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** PEFT's rules for names, on models whose linears are named otherwise than a Llama's. */
final class TargetNamesTest {
    private static final Path GOLDEN = Path.of("src/test/resources/goldens/peft-lora-gpt-neox");
    private static final int D = 48;

    @Test
    void anAdapterOnGptNeoxHasTheTensorsOfPefts() {
        LoraAdapter adapter = LoraAdapter.on(AdapterSource.config(GOLDEN), neox(), units(neox()));
        List<String> ours = adapter.stored(adapter.units(units(neox()))).stream()
                .map(parameter -> AdapterWeights.storedName(adapter, parameter.name()) + parameter.shape())
                .toList();
        List<String> theirs = SafetensorsHeader.read(GOLDEN.resolve(AdapterWeights.NAME)).entries().stream()
                .map(entry -> entry.name() + entry.shape())
                .toList();
        assertThat(ours).containsExactlyInAnyOrderElementsOf(theirs);
    }

    @Test
    void allLinearIsEveryOneButTheHeadWhateverItIsCalled() {
        assertThat(adapted(neox(), ModuleSelection.ALL_LINEAR, List.of()))
                .hasSize(3 * 4)
                .noneMatch(module -> module.startsWith("embed_out"));
        assertThat(adapted(phi3(), ModuleSelection.ALL_LINEAR, List.of()))
                .containsExactly(
                        "model.layers.0.self_attn.qkv_proj",
                        "model.layers.0.self_attn.o_proj",
                        "model.layers.0.mlp.gate_up_proj",
                        "model.layers.0.mlp.down_proj");
    }

    @ParameterizedTest
    @CsvSource({
        "dense, gpt_neox.layers.1.attention.dense",
        "dense_h_to_4h, gpt_neox.layers.1.mlp.dense_h_to_4h",
        "attention.query_key_value, gpt_neox.layers.1.attention.query_key_value"
    })
    void aTargetIsTheEndOfANameFromADotOn(String target, String only) {
        assertThat(adapted(neox(), ModuleSelection.suffixes(List.of(target)), List.of(1)))
                .containsExactly(only);
    }

    @Test
    void aPatternIsForWholeNames() {
        ModuleSelection pattern =
                ModuleSelection.matching(NamePattern.regex("gpt_neox\\.layers\\.[02]\\..*(dense|query_key_value)"));
        assertThat(adapted(neox(), pattern, List.of()))
                .containsExactly(
                        "gpt_neox.layers.0.attention.query_key_value",
                        "gpt_neox.layers.0.attention.dense",
                        "gpt_neox.layers.2.attention.query_key_value",
                        "gpt_neox.layers.2.attention.dense");
    }

    @Test
    void theNumberOfAnExpertIsNotThatOfItsLayer() {
        assertThat(adapted(mixtral(), ModuleSelection.suffixes(List.of("w1", "w2")), List.of(1)))
                .containsExactly(
                        "model.layers.1.block_sparse_moe.experts.0.w1",
                        "model.layers.1.block_sparse_moe.experts.0.w2",
                        "model.layers.1.block_sparse_moe.experts.1.w1",
                        "model.layers.1.block_sparse_moe.experts.1.w2");
    }

    @ParameterizedTest
    @CsvSource({
        "dense, 2, 8, 8", // no end of dense_h_to_4h, and not at a dot in query_key_value
        "attention.*, 2, 8, 2",
        "layers.0.*, 8, 8, 8",
        "^gpt_neox.layers.1.*dense$, 2, 8, 8",
        "h_to_4h, 8, 8, 8", // PEFT asks for a dot before a key
        ".*h_to_4h, 8, 2, 8"
    })
    void aRankPatternIsTheEndOfANameFromADotOn(String key, int dense, int inner, int queries) {
        LoraConfig config = config(ModuleSelection.ALL_LINEAR, List.of(), Map.of(key, 2), List.of());
        LoraAdapter adapter = LoraAdapter.on(config, neox(), units(neox()));
        assertThat(rank(adapter, "gpt_neox.layers.1.attention.dense")).isEqualTo(dense);
        assertThat(rank(adapter, "gpt_neox.layers.1.mlp.dense_h_to_4h")).isEqualTo(inner);
        assertThat(rank(adapter, "gpt_neox.layers.1.attention.query_key_value")).isEqualTo(queries);
    }

    @Test
    void aHeadOfAnotherNameIsSavedAsAWholeOrAdapted() {
        LoraConfig saving = config(ModuleSelection.ALL_LINEAR, List.of(), Map.of(), List.of("embed_out"));
        LoraAdapter saved = LoraAdapter.on(saving, neox(), units(neox()));
        assertThat(saved.stored(saved.units(units(neox())))).contains(ParameterOutline.of("embed_out.weight", 199, D));
        LoraAdapter adapted = LoraAdapter.on(
                config(ModuleSelection.suffixes(List.of("embed_out")), List.of(), Map.of(), List.of()),
                neox(),
                units(neox()));
        assertThat(adapted.stored(adapted.units(units(neox()))))
                .as("PEFT knows heads by the name lm_head alone, and saves no base with others")
                .extracting(ParameterOutline::name)
                .containsExactly("embed_out.lora_A.weight", "embed_out.lora_B.weight");
    }

    private static int rank(LoraAdapter adapter, String module) {
        return adapter.ofWeight(module + ".weight").orElseThrow().rank();
    }

    private static List<String> adapted(List<LinearOutline> linears, ModuleSelection targets, List<Integer> layers) {
        return LoraAdapter.on(config(targets, layers, Map.of(), List.of()), linears, units(linears)).modules().stream()
                .map(module -> module.linear().module())
                .toList();
    }

    private static LoraConfig config(
            ModuleSelection targets, List<Integer> layers, Map<String, Integer> ranks, List<String> saved) {
        return new LoraConfig(
                8,
                8,
                0,
                targets,
                ModuleSelection.NOTHING,
                ranks,
                Map.of(),
                false,
                false,
                saved,
                layers,
                List.of(),
                Initialize.UNIFORM,
                Optional.empty());
    }

    private static List<LinearOutline> neox() {
        List<LinearOutline> linears = new ArrayList<>();
        for (int layer = 0; layer < 3; layer++) {
            String block = "gpt_neox.layers." + layer;
            linears.add(new LinearOutline(block + ".attention.query_key_value", D, 3 * D, true, false));
            linears.add(new LinearOutline(block + ".attention.dense", D, D, true, false));
            linears.add(new LinearOutline(block + ".mlp.dense_h_to_4h", D, 2 * D, true, false));
            linears.add(new LinearOutline(block + ".mlp.dense_4h_to_h", 2 * D, D, true, false));
        }
        linears.add(new LinearOutline("embed_out", D, 199, false, true));
        return linears;
    }

    private static List<LinearOutline> phi3() {
        return List.of(
                new LinearOutline("model.layers.0.self_attn.qkv_proj", D, 3 * D, false, false),
                new LinearOutline("model.layers.0.self_attn.o_proj", D, D, false, false),
                new LinearOutline("model.layers.0.mlp.gate_up_proj", D, 4 * D, false, false),
                new LinearOutline("model.layers.0.mlp.down_proj", 2 * D, D, false, false),
                new LinearOutline("lm_head", D, 199, false, true));
    }

    private static List<LinearOutline> mixtral() {
        return Stream.of(0, 1)
                .flatMap(layer -> Stream.of(0, 1)
                        .flatMap(expert -> Stream.of("w1", "w2", "w3")
                                .map(name -> "model.layers.%d.block_sparse_moe.experts.%d.%s"
                                        .formatted(layer, expert, name))))
                .map(name -> new LinearOutline(name, D, D, false, false))
                .toList();
    }

    /** One of all the linears. */
    private static List<UnitOutline> units(List<LinearOutline> linears) {
        return List.of(new UnitOutline(
                "all",
                linears.stream().flatMap(linear -> linear.parameters().stream()).toList()));
    }
}
