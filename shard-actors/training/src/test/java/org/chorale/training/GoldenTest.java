// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.List;
import org.chorale.training.golden.GoldenCheck;
import org.chorale.training.golden.GoldenCheck.Row;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The arithmetic is the reference's: what Transformers computed for the same weights and batch. */
final class GoldenTest {
    @ParameterizedTest
    @ValueSource(strings = {"llama", "llama3-rope-tied"})
    void everyQuantityOfTheReferenceIsReproduced(String family) throws URISyntaxException {
        Path folder = Path.of(GoldenTest.class.getResource("/goldens/" + family).toURI());
        List<Row> rows = GoldenCheck.run(folder, folder.resolve("golden.safetensors"));
        assertThat(rows)
                .hasSizeGreaterThan(30)
                .allSatisfy(row -> assertThat(row.passed()).as(row.toString()).isTrue());
    }
}
