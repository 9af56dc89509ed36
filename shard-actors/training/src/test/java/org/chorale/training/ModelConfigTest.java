// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.chorale.model.ModelFolder;
import org.chorale.model.adapter.LoraConfig.Initialize;
import org.chorale.model.adapter.LoraModule;
import org.chorale.model.outline.UnitOutline.ParameterOutline;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the keys below model make of a folder. */
final class ModelConfigTest {
    @TempDir
    private Path directory;

    @BeforeEach
    void writeModel() {
        TinyModel.folder(directory, false).close();
    }

    @Test
    void anAdapterOfNothingButItsTypeIsPeftsOnEveryLinearButTheHead() {
        try (ModelFolder folder = config(
                        adapter(AdapterConfig.Type.LORA, Optional.empty(), List.of(), Map.of()), List.of())
                .open(1)) {
            List<LoraModule> modules = folder.adapter().orElseThrow().adapter().modules();
            assertThat(modules).hasSize(2 * 7).allSatisfy(module -> {
                assertThat(module.rank()).isEqualTo(8);
                assertThat(module.scale()).isEqualTo(1);
            });
        }
    }

    @Test
    void theWordThatPeftHasForEveryLinearIsUnderstood() {
        AdapterConfig words = adapter(AdapterConfig.Type.LORA, Optional.empty(), List.of("all-linear"), Map.of());
        try (ModelFolder folder = config(words, List.of()).open(1)) {
            assertThat(folder.adapter().orElseThrow().adapter().modules()).hasSize(2 * 7);
        }
    }

    @Test
    void ranksOfSomeLinearsAndFrozenLayersAreHeeded() {
        AdapterConfig adapter = adapter(
                AdapterConfig.Type.LORA, Optional.of(4), List.of("q_proj", "o_proj"), Map.of("layers.1.*q_proj", 2));
        try (ModelFolder folder = config(adapter, List.of("model.layers.0.**")).open(1)) {
            assertThat(folder.adapter().orElseThrow().adapter().modules().stream()
                            .map(LoraModule::rank))
                    .containsExactly(4, 4, 2, 4);
            assertThat(folder.units().stream()
                            .flatMap(unit -> unit.parameters().stream())
                            .filter(ParameterOutline::trainable)
                            .map(ParameterOutline::name))
                    .containsExactly(
                            "model.layers.1.self_attn.q_proj.lora_A.weight",
                            "model.layers.1.self_attn.q_proj.lora_B.weight",
                            "model.layers.1.self_attn.o_proj.lora_A.weight",
                            "model.layers.1.self_attn.o_proj.lora_B.weight");
        }
    }

    @Test
    void keysThatWouldBePassedOverAreRefused() {
        assertThatThrownBy(() -> adapter(AdapterConfig.Type.NONE, Optional.of(4), List.of("q_proj"), Map.of()))
                .hasMessage(
                        "model.adapter.rank is set, but model.adapter.type = none: make it lora, or leave this out\n"
                                + "model.adapter.targets is set, but model.adapter.type = none: make it lora, or leave this out");
    }

    @Test
    void everyValueThatCannotBeIsNamedWithItsKey() {
        AdapterConfig adapter = adapter(AdapterConfig.Type.LORA, Optional.of(0), List.of(), Map.of("(", 3));
        assertThatThrownBy(() -> config(adapter, List.of("a{")))
                .hasMessageContaining("model.adapter.rank = 0: must be a whole number from 1 to 65536")
                .hasMessageContaining("model.adapter.rank-pattern.(: is no regular expression")
                .hasMessageContaining("model.freeze = a{: a brace must belong to a range such as {0..3}");
    }

    private ModelConfig config(AdapterConfig adapter, List<String> freeze) {
        return new ModelConfig(
                directory,
                adapter,
                freeze,
                List.of(),
                ModelConfig.Initialize.RANDOM,
                Optional.empty(),
                RecomputePolicy.NONE);
    }

    private static AdapterConfig adapter(
            AdapterConfig.Type type, Optional<Integer> rank, List<String> targets, Map<String, Integer> ranks) {
        return new AdapterConfig(
                type,
                Optional.empty(),
                Optional.empty(),
                rank,
                Optional.empty(),
                Optional.empty(),
                targets,
                Optional.empty(),
                List.of(),
                ranks,
                Map.of(),
                Optional.empty(),
                Optional.empty(),
                List.of(),
                List.of(),
                Optional.<Initialize>empty(),
                Optional.empty());
    }
}
