// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.chorale.model.ModelFolder;
import org.chorale.model.fp8.Fp8Rule;
import org.chorale.model.fp8.Fp8Scaling;
import org.chorale.model.layer.Recompute;
import org.chorale.model.layer.RecomputePlan;
import org.chorale.model.outline.InvalidModelException;
import org.chorale.tensor.NativeMemory;
import org.chorale.tensor.device.Device;
import org.chorale.training.RankRun.Setup;
import org.chorale.training.optimizer.AdamW;
import org.chorale.training.shard.ModelShard;
import org.chorale.training.shard.Precision;
import org.chorale.training.shard.RankGroups;
import org.chorale.training.shard.RankShards.Mode;
import org.chorale.training.shard.UnitLayout;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A whole model whose linears multiply FP8 factors, on the CPU. */
final class Fp8TrainingTest {
    private static final int STEPS = 60;
    private static final String CONFIG = """
            {"model_type": "llama", "vocab_size": 37, "hidden_size": 32, "intermediate_size": 64,
             "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
             "initializer_range": 0.1}
            """;

    @TempDir
    private Path directory;

    @ParameterizedTest
    @EnumSource
    void itLearnsWhatBf16Learns(Fp8Scaling scaling) throws IOException {
        double[] bf16 = losses(folder(), STEPS);
        double[] fp8 = losses(folder().with(new Fp8Rule(scaling, List.of(), List.of())), STEPS);
        assertThat(fp8).isNotEqualTo(bf16);
        assertThat(last(bf16)).isLessThan(0.6 * bf16[0]);
        assertThat(last(fp8)).isCloseTo(last(bf16), within(0.03 * bf16[0]));
    }

    @ParameterizedTest
    @EnumSource
    void aBlockThatIsComputedAgainGivesTheSameBits(Fp8Scaling scaling) throws IOException {
        Fp8Rule rule = new Fp8Rule(scaling, List.of("k_proj"), List.of());
        double[] kept = losses(folder().with(rule), 3, Recompute.NONE);
        assertThat(losses(folder().with(rule), 3, Recompute.SELECTIVE)).isEqualTo(kept);
        assertThat(losses(folder().with(rule), 3, Recompute.FULL)).isEqualTo(kept);
    }

    @ParameterizedTest
    @EnumSource(names = {"FULL_SHARD", "KEEP_GATHERED", "OPTIMIZER_ONLY"})
    void aWeightThatRanksShareIsAsFreshAsOneThatEachHolds(Mode mode) throws IOException {
        try (ModelFolder folder = folder().with(new Fp8Rule(Fp8Scaling.TENSOR, List.of(), List.of()))) {
            RankRun each =
                    RankRun.of(folder, new Setup(2, Mode.REPLICATE, false, 2, Recompute.NONE, Precision.BF16, 1));
            RankRun shared = RankRun.of(folder, new Setup(2, mode, true, 2, Recompute.FULL, Precision.BF16, 1));
            for (int i = 0; i < RankRun.STEPS; i++) {
                double expected = each.results().get(i).lossNats();
                assertThat(shared.results().get(i).lossNats()).isCloseTo(expected, within(1e-3 * expected));
            }
        }
    }

    @Test
    void nothingIsLeftBehind() throws IOException {
        long before = NativeMemory.liveReferences();
        losses(folder().with(new Fp8Rule(Fp8Scaling.TENSOR, List.of(), List.of())), 2);
        assertThat(NativeMemory.liveReferences()).isEqualTo(before);
    }

    @Test
    void layersThatAreLeftOutStayAsTheyAre() throws IOException {
        double[] bf16 = losses(folder(), 1);
        List<String> everyLinearOfOne = List.of(
                "q_proj", "k_proj", "v_proj", "o_proj", "layers.1.mlp.gate_proj", "layers.1.mlp.up_proj", "down_proj");
        double[] one = losses(folder().with(new Fp8Rule(Fp8Scaling.TENSOR, everyLinearOfOne, List.of())), 1);
        double[] byLayer = losses(
                folder().with(new Fp8Rule(
                        Fp8Scaling.TENSOR, List.of("q_proj", "k_proj", "v_proj", "o_proj", "down_proj"), List.of(1))),
                1);
        assertThat(byLayer).isEqualTo(one).isNotEqualTo(bf16);
    }

    @Test
    void aRuleThatDoesNotFitNamesTheModel() throws IOException {
        ModelFolder folder = folder();
        assertThatThrownBy(() -> folder.with(new Fp8Rule(Fp8Scaling.ROW, List.of("qproj"), List.of(2))))
                .isInstanceOf(InvalidModelException.class)
                .hasMessageContaining("fp8.exclude = qproj")
                .hasMessageContaining("fp8.exclude-layers = 2")
                .hasMessageContaining(directory.toString());
    }

    private ModelFolder folder() throws IOException {
        Files.writeString(directory.resolve("config.json"), CONFIG);
        return ModelFolder.random(directory, 5);
    }

    private static double last(double[] losses) {
        return Arrays.stream(losses, losses.length - 10, losses.length)
                .average()
                .orElseThrow();
    }

    private static double[] losses(ModelFolder model, int steps) {
        return losses(model, steps, Recompute.NONE);
    }

    /** Of the same few batches again and again. */
    private static double[] losses(ModelFolder model, int steps, Recompute recompute) {
        List<UnitLayout> plan = model.units().stream()
                .map(unit -> UnitLayout.whole(unit, Precision.BF16))
                .toList();
        try (ModelFolder folder = model;
                ModelShard shard = new ModelShard(folder, plan, RankGroups.alone(), Device.CPU)) {
            shard.model().recompute(RecomputePlan.every(recompute));
            shard.load(folder);
            try (AdamW optimizer = new AdamW(TinyModel.OPTIMIZER, shard.groups())) {
                TrainStep step = new TrainStep(shard, optimizer, 1);
                double[] losses = new double[steps];
                for (int i = 0; i < steps; i++) {
                    losses[i] = step.run(List.of(TinyModel.batch(i % 3, 4, 12), TinyModel.batch(i % 3 + 9, 3, 7)), 3e-3)
                            .lossNats();
                }
                return losses;
            }
        }
    }
}
