// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.chorale.model.ModelFolder;
import org.chorale.model.adapter.LoraConfig;
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
            assertThat(ModelFlops.perToken(model.config(), model.units(), 2048))
                    .isEqualTo(6.0 * (22 * BLOCK + HEAD) + ATTENTION)
                    .isEqualTo(6_760_169_472.0);
        }
    }

    @Test
    void aFrozenWeightCostsFourAndItsAdapterSix() throws IOException {
        long adapters = 16 * (2 * (2048 + 2048L) + 2 * (2048 + 256L) + 3 * (2048 + 5632L));
        try (ModelFolder model = model().adapted(LoraConfig.allLinear(16, 32), 1)) {
            assertThat(ModelFlops.perToken(model.config(), model.units(), 2048))
                    .isEqualTo(4.0 * (22 * BLOCK + HEAD) + 6.0 * 22 * adapters + ATTENTION);
        }
    }

    private ModelFolder model() throws IOException {
        Files.writeString(
                folder.resolve("config.json"), BenchRow.B1_FULL.shape().json(2048));
        return ModelFolder.random(folder, 1);
    }
}
