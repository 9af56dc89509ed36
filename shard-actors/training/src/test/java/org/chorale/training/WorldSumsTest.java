// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.chorale.tensor.collective.RankThreads;
import org.chorale.training.StepSums.Total;
import org.chorale.training.pipeline.PipelineException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What ranks know by name, added up. */
final class WorldSumsTest {
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 4})
    void ranksThatKnowDifferentNamesAddThemAllUp(int worldSize) {
        RankThreads.run(worldSize, world -> {
            WorldSums sums = new WorldSums(world);
            Map<String, Total> own = new LinkedHashMap<>();
            own.put("everyone's ✓", new Total(0.5, 2));
            own.put("of " + world.rank(), new Total(world.rank(), 1));
            WorldSums.Sums all = sums.add(own, 3, world.rank());
            assertThat(all.number(0)).isEqualTo(3 * worldSize);
            assertThat(all.number(1)).isEqualTo(worldSize * (worldSize - 1) / 2.0);
            assertThat(all.totals()).hasSize(1 + worldSize);
            assertThat(all.totals()).containsEntry("everyone's ✓", new Total(0.5 * worldSize, 2 * worldSize));
            for (int rank = 0; rank < worldSize; rank++) {
                assertThat(all.totals()).containsEntry("of " + rank, new Total(rank, 1));
            }
            assertThat(all.totals().keySet().iterator().next()).isEqualTo("everyone's ✓");
        });
    }

    @Test
    void oneAllReduceIsEnoughOnceAllNamesAreKnown() {
        RankThreads.run(2, world -> {
            AtomicInteger operations = new AtomicInteger();
            WorldSums sums = new WorldSums(new InterceptedRanks(world, operations::incrementAndGet));
            Map<String, Total> some = world.rank() == 0 ? Map.of() : Map.of("a", new Total(1, 1));
            sums.add(some);
            assertThat(operations.getAndSet(0)).isGreaterThan(1);
            assertThat(sums.add(some).totals()).containsEntry("a", new Total(1, 1));
            assertThat(sums.add(Map.of()).totals()).containsEntry("a", Total.NOTHING);
            assertThat(operations).hasValue(2);
        });
    }

    @Test
    void whatIsNoNumberOnOneRankIsNoneOnAll() {
        RankThreads.run(3, world -> {
            double sum = world.rank() == 1 ? Double.NaN : 1;
            WorldSums.Sums all = new WorldSums(world).add(Map.of("loss", new Total(sum, 1)), sum);
            assertThat(all.number(0)).isNaN();
            assertThat(all.totals()).containsEntry("loss", new Total(Double.NaN, 3));
        });
    }

    @Test
    void namesWithoutEndAreRefusedOnEveryRank() {
        RankThreads.run(2, world -> {
            WorldSums sums = new WorldSums(world);
            assertThatThrownBy(() -> sums.add(Map.of("x".repeat(70_000 * world.rank()), Total.NOTHING)))
                    .isInstanceOf(PipelineException.class)
                    .hasMessageContaining("70001 characters on one rank");
            Map<String, Total> many = new LinkedHashMap<>();
            IntStream.rangeClosed(0, 1_000).forEach(step -> many.put("loss of step " + step, Total.NOTHING));
            assertThatThrownBy(() -> sums.add(many))
                    .isInstanceOf(PipelineException.class)
                    .hasMessageContaining("1001 names");
        });
    }
}
