// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.chorale.model.ModelFolder;
import org.chorale.training.shard.Precision;
import org.chorale.training.shard.UnitLayout;
import org.chorale.training.shard.UnitLayout.Segment;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The experts of the rows with mixtures lie evenly spaced in a unit's buffer, and unevenly where that is asked for. */
final class ExpertGapTest {
    @TempDir
    private Path directory;

    @ParameterizedTest
    @EnumSource(
            value = BenchRow.class,
            names = {"MIXTURE_8", "MIXTURE_128"})
    void expertsAreEvenlySpacedUntilAGapIsLeft(BenchRow row) throws IOException {
        Files.writeString(directory.resolve("config.json"), row.shape().json(2048));
        try (ModelFolder model = ModelFolder.random(directory, 0)) {
            assertThat(model.config().mixtures()).hasSize(8);
            for (Precision precision : Precision.values()) {
                UnitLayout block = UnitLayout.whole(model.units().get(1), precision);
                assertThat(distances(block)).hasSize(1);
                assertThat(distances(ExpertGap.in(block))).hasSize(2);
            }
        }
    }

    /** From each expert's matrices to the next one's, those of all matrices; and none where one is missing. */
    private static List<Long> distances(UnitLayout unit) {
        Map<String, Long> before = new LinkedHashMap<>();
        return unit.groups().get(0).segments().stream()
                .filter(segment -> segment.parameter().contains(".experts."))
                .map(segment -> distance(segment, before))
                .filter(distance -> distance > 0)
                .distinct()
                .toList();
    }

    private static long distance(Segment segment, Map<String, Long> before) {
        String matrix = segment.parameter().replaceFirst("\\.experts\\.\\d+\\.", ".");
        Long last = before.put(matrix, segment.offset());
        return last == null ? 0 : segment.offset() - last;
    }
}
