// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.optimizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.chorale.model.outline.UnitOutline;
import org.chorale.model.outline.UnitOutline.ParameterOutline;
import org.chorale.training.optimizer.OptimizerConfig.Algorithm;
import org.chorale.training.shard.UnitLayout;
import org.junit.jupiter.api.Test;

/** LoRA+ gives B and what has one dimension the learning rate times its ratio, as PEFT's create_loraplus_optimizer does. */
final class LoraPlusTest {
    private static final String MODULE = "model.layers.0.mlp.up_proj";
    private static final double RATIO = 16;
    private static final double DECAY = 0.1;

    private static final UnitOutline UNIT = new UnitOutline(
            "model.layers.0",
            List.of(
                    ParameterOutline.of(MODULE + ".lora_A.weight", 8, 8),
                    ParameterOutline.of(MODULE + ".lora_B.weight", 8, 8),
                    ParameterOutline.of(MODULE + ".lora_magnitude_vector.weight", 64),
                    ParameterOutline.of("lm_head.weight", 8, 8)));

    @Test
    void theSecondFactorAndLengthsAreTrainedFaster() {
        Map<Hyperparameters, List<ParameterRun>> runs =
                ParameterRun.cut(config(Optional.of(RATIO), List.of()), buffers(UNIT));
        assertThat(runs)
                .containsOnlyKeys(new Hyperparameters(1, DECAY), new Hyperparameters(RATIO, DECAY))
                .containsEntry(
                        new Hyperparameters(1, DECAY),
                        List.of(new ParameterRun(0, 0, 64), new ParameterRun(0, 192, 256)))
                .containsEntry(new Hyperparameters(RATIO, DECAY), List.of(new ParameterRun(0, 64, 192)));
    }

    @Test
    void aGroupsFactorComesOnTop() {
        ParameterGroup half = new ParameterGroup(List.of("**.lora_B.*"), Optional.of(0.5), Optional.of(0.0));
        assertThat(ParameterRun.cut(config(Optional.of(RATIO), List.of(half)), buffers(UNIT)))
                .containsEntry(new Hyperparameters(RATIO / 2, 0), List.of(new ParameterRun(0, 64, 128)))
                .containsEntry(new Hyperparameters(RATIO, DECAY), List.of(new ParameterRun(0, 128, 192)));
    }

    @Test
    void withoutTheRatioAllAreTrainedAlike() {
        assertThat(ParameterRun.cut(config(Optional.empty(), List.of()), buffers(UNIT)))
                .containsOnly(Map.entry(new Hyperparameters(1, DECAY), List.of(new ParameterRun(0, 0, 256))));
    }

    @Test
    void aRatioWithoutAnAdapterOrThatIsNoneIsRefused() {
        UnitOutline plain = new UnitOutline("root", List.of(ParameterOutline.of("norm.weight", 64)));
        assertThatThrownBy(() -> ParameterRun.cut(config(Optional.of(RATIO), List.of()), buffers(plain)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("optimizer.lora-plus-ratio = 16.0: no adapter is trained (model.adapter.type)");
        assertThatThrownBy(() -> config(Optional.of(0.0), List.of()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("optimizer.lora-plus-ratio = 0.0: must be above 0");
    }

    private static List<UnitLayout.Group> buffers(UnitOutline unit) {
        return UnitLayout.whole(unit).groups();
    }

    private static OptimizerConfig config(Optional<Double> ratio, List<ParameterGroup> groups) {
        return new OptimizerConfig(
                Algorithm.ADAMW,
                1e-3,
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                DECAY,
                1,
                ratio,
                groups);
    }
}
