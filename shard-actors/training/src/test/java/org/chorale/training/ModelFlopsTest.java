// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.chorale.model.ModelFolder;
import org.chorale.model.adapter.LoraConfig;
import org.chorale.training.MicroBatch.Role;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class ModelFlopsTest {
    /** Of a block of TinyLlama: q and o, k and v, the three of the feed-forward network. */
    private static final long BLOCK = 2 * 2048L * 2048 + 2 * 2048L * 256 + 3 * 2048L * 5632;

    private static final long HEAD = 32_000L * 2048;
    private static final long ATTENTION = 6 * 22 * 2048L * 2048;

    @TempDir
    Path folder;

    @Test
    void aTrainedWeightCostsSixAndTheEmbeddingNothing() throws IOException {
        try (ModelFolder model = model()) {
            assertThat(flops(model).perToken(2048))
                    .isEqualTo(6.0 * (22 * BLOCK + HEAD) + ATTENTION)
                    .isEqualTo(6_760_169_472.0);
        }
    }

    @Test
    void aFrozenWeightCostsFourAndItsAdapterSix() throws IOException {
        long adapters = 16 * (2 * (2048 + 2048L) + 2 * (2048 + 256L) + 3 * (2048 + 5632L));
        try (ModelFolder model = model().adapted(LoraConfig.allLinear(16, 32), 1)) {
            assertThat(flops(model).perToken(2048))
                    .isEqualTo(4.0 * (22 * BLOCK + HEAD) + 6.0 * 22 * adapters + ATTENTION);
        }
    }

    @Test
    void ofAMixtureOnlyTheExpertsOfATokenCount() throws IOException {
        Files.writeString(folder.resolve("config.json"), """
                {"model_type": "mixtral", "vocab_size": 100, "hidden_size": 64, "intermediate_size": 96,
                 "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
                """);
        long block = 2 * 64 * 64 + 2 * 64 * 32 + 8 * 64 + 2 * 3 * 64 * 96; // router, and 2 of 8 experts
        long adapters = 4 * (2 * (64 + 64) + 2 * (64 + 32) + (64 + 8) + 2 * 3 * (64 + 96));
        long attention = 6 * 2 * 64 * 10;
        try (ModelFolder model = ModelFolder.random(folder, 1)) {
            assertThat(flops(model).perToken(10)).isEqualTo(6.0 * (2 * block + 100 * 64) + attention);
        }
        try (ModelFolder model = ModelFolder.random(folder, 1).adapted(LoraConfig.allLinear(4, 8), 1)) {
            assertThat(flops(model).perToken(10))
                    .isEqualTo(4.0 * (2 * block + 100 * 64) + 6.0 * 2 * adapters + attention);
        }
    }

    @Test
    void paddingCountsForNothing() {
        long[] places = new long[2 * 4];
        MicroBatch batch = MicroBatch.rightPadded(2, 4, places, places).withLengths(new long[] {4, 1});

        assertThat(new ModelFlops(100, Map.of(ModelFlops.EVERYTHING, 1.0)).of(batch))
                .isEqualTo(100 * 5 + 4 * 4 + 1 * 1);
    }

    @Test
    void aPackedDocumentSeesItselfAlone() {
        long[] places = new long[2 * 4];
        long[] documents = {0, 0, 0, 1, 0, 0, -1, -1}; // a second sequence begins with a document 0 of its own
        MicroBatch batch =
                new MicroBatch(2, 4, places, places, null, new MicroBatch.Packing(new long[2 * 4], documents));

        assertThat(new ModelFlops(100, Map.of(ModelFlops.EVERYTHING, 1.0)).of(batch))
                .isEqualTo(100 * 6 + 3 * 3 + 1 + 2 * 2);
        assertThat(new ModelFlops(100, Map.of(ModelFlops.EVERYTHING, 1.0)).of(empty()))
                .isZero();
    }

    @Test
    void ofPreferencesEveryAnswerButAMismatchedOneIsTrainedAndAllAreCompared() {
        long[] places = new long[2 * 4];
        MicroBatch batch = MicroBatch.rightPadded(2, 4, places, places).withLengths(new long[] {4, 1});
        PreferenceFlops compared = new PreferenceFlops(
                new ModelFlops(100, Map.of(ModelFlops.EVERYTHING, 3.0)),
                new ModelFlops(50, Map.of(ModelFlops.EVERYTHING, 1.0)),
                true);
        PreferenceFlops alone = new PreferenceFlops(compared.trained(), compared.forward(), false);
        MicroBatch pairs = batch.withRoles(List.of(Role.CHOSEN, Role.REJECTED));
        MicroBatch ratings = batch.withRoles(List.of(Role.DESIRABLE, Role.MISMATCHED));
        double trained = 100 * 4 + 3 * 4 * 4;

        assertThat(alone.of(pairs)).isEqualTo(trained + 100 + 3);
        assertThat(compared.of(pairs)).isEqualTo(trained + 100 + 3 + 50 * 5 + 4 * 4 + 1);
        assertThat(compared.of(ratings)).isEqualTo(trained + 50 + 1 + 50 * 5 + 4 * 4 + 1);
    }

    /** What a rank gets that has fewer rows than others. */
    private static MicroBatch empty() {
        return new MicroBatch(0, 1, new long[0], new long[0], null, new MicroBatch.Packing(new long[0], new long[0]));
    }

    private ModelFolder model() throws IOException {
        Files.writeString(folder.resolve("config.json"), """
                {"model_type": "llama", "vocab_size": 32000, "hidden_size": 2048, "intermediate_size": 5632,
                 "num_hidden_layers": 22, "num_attention_heads": 32, "num_key_value_heads": 4,
                 "tie_word_embeddings": false}
                """);
        return ModelFolder.random(folder, 1);
    }

    private static ModelFlops flops(ModelFolder model) {
        return ModelFlops.of(model.config(), model.units());
    }
}
