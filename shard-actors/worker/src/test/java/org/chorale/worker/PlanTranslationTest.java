// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.chorale.proto.wire.GroupPlan;
import org.chorale.proto.wire.ModelOutline;
import org.chorale.proto.wire.ParameterOutline;
import org.chorale.proto.wire.RankSlice;
import org.chorale.proto.wire.SegmentPlan;
import org.chorale.proto.wire.ShardPlan;
import org.chorale.proto.wire.UnitPlan;
import org.chorale.tensor.safetensors.StoredType;
import org.chorale.training.pipeline.LocalComponents;
import org.chorale.training.shard.Precision;
import org.chorale.training.shard.UnitLayout;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class PlanTranslationTest {
    @TempDir
    private Path directory;

    @BeforeEach
    void write() throws IOException {
        Files.writeString(directory.resolve("config.json"), """
                {"model_type": "llama", "vocab_size": 11, "hidden_size": 16, "intermediate_size": 32,
                 "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2}
                """);
    }

    @Test
    void theOutlineNamesTheWeightsThatAreGatheredInFp8() {
        assertThat(gatheredInFp8("fp8 { scaling = tensor, exclude = [o_proj, mlp.up_proj], gather = true }"))
                .containsExactly(
                        "model.layers.0.self_attn.q_proj.weight",
                        "model.layers.0.self_attn.k_proj.weight",
                        "model.layers.0.self_attn.v_proj.weight",
                        "model.layers.0.mlp.gate_proj.weight",
                        "model.layers.0.mlp.down_proj.weight");
        assertThat(gatheredInFp8("fp8.scaling = tensor")).isEmpty();
    }

    private List<String> gatheredInFp8(String keys) {
        String runConf = Examples.runConf(directory, "bf16", "1 second", "model.initialize = random\n" + keys);
        try (RunModel model = RunModel.open(runConf, LocalComponents.none())) {
            ModelOutline outline = PlanTranslation.outline(model, Precision.BF16);
            return outline.getUnitsList().stream()
                    .flatMap(unit -> unit.getParametersList().stream())
                    .filter(ParameterOutline::getFp8)
                    .map(ParameterOutline::getName)
                    .toList();
        }
    }

    @Test
    void aPartIsGatheredAsThePlanSaysAndTheWholeIsReadAsItIs() {
        assertThat(group(plan("F32", true, 128), Precision.BF16).gatheredType()).isEqualTo(StoredType.F8_E4M3);
        assertThat(group(plan("F32", false, 128), Precision.BF16).gatheredType())
                .isEqualTo(StoredType.BF16);
        assertThat(group(plan("F32", true, 256), Precision.BF16).gatheredType()).isEqualTo(StoredType.BF16);
    }

    @Test
    void aPlanThatGathersWhatIsNotMadeOfBf16IsRefused() {
        assertThatThrownBy(() -> group(plan("F32", true, 128), Precision.FP32))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("FP8 is made of bf16, not of F32");
    }

    private static UnitLayout.Group group(ShardPlan plan, Precision precision) {
        return PlanTranslation.layout(plan, 0, precision).get(0).groups().get(0);
    }

    private static ShardPlan plan(String dtype, boolean fp8, long held) {
        GroupPlan group = GroupPlan.newBuilder()
                .setDtype(dtype)
                .setTrainable(true)
                .setFp8(fp8)
                .setElements(256)
                .addSegments(SegmentPlan.newBuilder()
                        .setParameter("weight")
                        .addShape(16)
                        .addShape(16))
                .addSlices(RankSlice.newBuilder().setRank(0).setFrom(0).setUntil(held))
                .build();
        return ShardPlan.newBuilder()
                .addUnits(UnitPlan.newBuilder().setName("unit").addGroups(group))
                .build();
    }
}
