// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.chorale.model.ModelFolder;
import org.chorale.model.adapter.LoraConfig;
import org.chorale.model.adapter.LoraConfig.Initialize;
import org.chorale.model.adapter.ModuleSelection;
import org.chorale.model.layer.Recompute;
import org.chorale.training.RankRun.Setup;
import org.chorale.training.shard.Precision;
import org.chorale.training.shard.RankShards.Mode;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** DoRA and PiSSA on many ranks give what they give on one; what a rank holds of them ends anywhere in a row. */
final class AdapterRanksTest {
    @TempDir
    private Path directory;

    @ParameterizedTest
    @CsvSource({
        "UNIFORM, true, 0.1, FULL_SHARD, 2, SELECTIVE",
        "UNIFORM, true, 0, REPLICATE, 3, NONE",
        "PISSA, true, 0, FULL_SHARD, 3, FULL",
        "PISSA, false, 0.1, KEEP_GATHERED, 2, NONE"
    })
    void manyRanksGiveWhatOneGives(
            Initialize initialize, boolean dora, double dropout, Mode mode, int ranks, Recompute recompute) {
        LoraConfig lora = lora(initialize, dora, dropout);
        RankRun one = run(lora, Setup.alone(Precision.FP32, 0.3));
        RankRun many = run(lora, new Setup(ranks, mode, true, 3, recompute, Precision.FP32, 0.3));
        assertThat(one.gradients().keySet())
                .anyMatch(name -> name.endsWith(".lora_A.weight"))
                .matches(names -> dora == names.stream().anyMatch(name -> name.contains("lora_magnitude_vector")));
        assertThat(many.results().get(RankRun.STEPS - 1).lossNats())
                .as("it learns")
                .isNotCloseTo(many.results().get(0).lossNats(), within(1e-3));
        for (int step = 0; step < RankRun.STEPS; step++) {
            assertThat(many.results().get(step).lossNats())
                    .isCloseTo(one.results().get(step).lossNats(), within(1e-4));
        }
        agree(many.gradients(), one.gradients(), 1e-5);
        agree(many.weights(), one.weights(), 0.1 * RankRun.LEARNING_RATE * RankRun.STEPS);
    }

    private RankRun run(LoraConfig lora, Setup setup) {
        try (ModelFolder folder = TinyModel.unbiased(directory, false).adapted(lora, 4)) {
            return RankRun.of(folder, setup);
        }
    }

    private static LoraConfig lora(Initialize initialize, boolean dora, double dropout) {
        return new LoraConfig(
                3,
                6,
                dropout,
                ModuleSelection.suffixes(List.of("q_proj", "v_proj", "down_proj")),
                ModuleSelection.NOTHING,
                Map.of(),
                Map.of(),
                false,
                dora,
                List.of(),
                List.of(),
                List.of(),
                initialize,
                Optional.empty());
    }

    private static void agree(Map<String, float[]> actual, Map<String, float[]> expected, double tolerance) {
        assertThat(actual).containsOnlyKeys(expected.keySet());
        expected.forEach((name, values) -> {
            float[] found = Objects.requireNonNull(actual.get(name));
            for (int i = 0; i < values.length; i++) {
                assertThat((double) found[i])
                        .as("%s[%d]", name, i)
                        .isCloseTo(values[i], within(tolerance + 1e-5 * Math.abs(values[i])));
            }
        });
    }
}
