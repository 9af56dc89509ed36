// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.UnaryOperator;
import org.chorale.model.ModelFolder;
import org.chorale.model.fp8.Fp8Rule;
import org.chorale.model.fp8.Fp8Scaling;
import org.chorale.model.layer.Recompute;
import org.chorale.training.RankRun.Setup;
import org.chorale.training.shard.Precision;
import org.chorale.training.shard.RankShards.Mode;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Ranks that give each other weights in FP8 compute what they compute of weights that they gather in bf16. */
final class Fp8GatherTest {
    /** Never reached: gradients stay as they are. */
    private static final double NO_CLIPPING = 1e9;

    private static final String LLAMA = """
            {"model_type": "llama", "vocab_size": 37, "hidden_size": 32, "intermediate_size": 48,
             "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
             "attention_bias": true, "initializer_range": 0.1, "tie_word_embeddings": %s}
            """;

    @TempDir
    private Path directory;

    @ParameterizedTest
    @CsvSource({
        "2, FULL_SHARD, 1, NONE, BF16, false",
        "2, FULL_SHARD, 2, FULL, BF16, true",
        "3, FULL_SHARD, 2, SELECTIVE, BF16_TRUE, false",
        "3, KEEP_GATHERED, 2, FULL, BF16, true",
        "3, KEEP_GATHERED, 1, NONE, BF16_TRUE, true",
        "4, HYBRID, 2, FULL, BF16, false"
    })
    void everyBitIsThatOfAGatherInBf16(
            int worldSize, Mode mode, int microBatches, Recompute recompute, Precision precision, boolean tied)
            throws IOException {
        Setup setup = new Setup(worldSize, mode, true, microBatches, recompute, precision, NO_CLIPPING);
        assertSameBits(LLAMA.formatted(tied), List.of(), setup, model -> model);
    }

    private void assertSameBits(
            String config, List<String> excluded, Setup setup, UnaryOperator<ModelFolder> change) throws IOException {
        RankRun bf16 = run(config, new Fp8Rule(Fp8Scaling.TENSOR, excluded, List.of(), false), setup, change);
        RankRun fp8 = run(config, new Fp8Rule(Fp8Scaling.TENSOR, excluded, List.of(), true), setup, change);
        for (int step = 0; step < RankRun.STEPS; step++) {
            assertThat(fp8.results().get(step).lossNats())
                    .as("loss of step %d", step)
                    .isEqualTo(bf16.results().get(step).lossNats());
        }
        assertThat(fp8.gradients().keySet()).isEqualTo(bf16.gradients().keySet());
        bf16.gradients()
                .forEach((name, values) ->
                        assertThat(fp8.gradients().get(name)).as(name).isEqualTo(values));
        bf16.weights()
                .forEach((name, values) ->
                        assertThat(fp8.weights().get(name)).as(name).isEqualTo(values));
    }

    private RankRun run(String config, Fp8Rule rule, Setup setup, UnaryOperator<ModelFolder> change)
            throws IOException {
        Files.writeString(directory.resolve("config.json"), config);
        try (ModelFolder folder = change.apply(ModelFolder.random(directory, 5)).with(rule)) {
            return RankRun.of(folder, setup);
        }
    }
}
