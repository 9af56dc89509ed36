// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.stats;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StatsFiguresTest {
    @TempDir
    Path folder;

    @Test
    void duplicatesAreThoseThatCountingFinds() throws IOException {
        Random random = new Random(5);
        int[] trained = random.ints(20_000, 0, 15_000).toArray();
        int[] heldOut = random.ints(1_000, 0, 30_000).toArray();
        try (Duplicates duplicates = new Duplicates(folder)) {
            for (int example : trained) {
                duplicates.add("example " + example, false);
            }
            for (int example : heldOut) {
                duplicates.add("example " + example, true);
            }
            List<Integer> known = IntStream.of(trained).distinct().boxed().toList();
            assertThat(duplicates.found())
                    .isEqualTo(new Duplicates.Found(
                            trained.length - known.size(),
                            IntStream.of(heldOut)
                                    .filter(new HashSet<>(known)::contains)
                                    .count()));
        }
    }

    @Test
    void heldOutExamplesThatRepeatEachOtherAreNoTrainingExamples() throws IOException {
        try (Duplicates duplicates = new Duplicates(folder)) {
            duplicates.add("a", true);
            duplicates.add("a", true);
            duplicates.add("b", false);
            assertThat(duplicates.found()).isEqualTo(new Duplicates.Found(0, 0));
        }
    }

    @Test
    void percentilesAndHistogramAreThoseOfTheSortedLengths() {
        LengthFigures figures = LengthFigures.of(IntStream.rangeClosed(1, 1000), 1000);
        assertThat(figures.percentiles())
                .containsEntry(1, 10)
                .containsEntry(50, 500)
                .containsEntry(100, 1000);
        assertThat(figures.histogram())
                .hasSize(10)
                .startsWith(new LengthFigures.Bin(1, 1, 1), new LengthFigures.Bin(2, 3, 2))
                .endsWith(new LengthFigures.Bin(512, 1000, 489));
    }

    @Test
    void emptyBinsBelowTheShortestAreLeftOut() {
        LengthFigures figures = LengthFigures.of(IntStream.of(9, 40), 40);
        assertThat(figures.histogram())
                .containsExactly(
                        new LengthFigures.Bin(8, 15, 1),
                        new LengthFigures.Bin(16, 31, 0),
                        new LengthFigures.Bin(32, 40, 1));
    }
}
