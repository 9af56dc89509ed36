// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.order;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ExampleOrderTest {
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 15, 16, 17, 255, 256, 257, 1000, 1023, 1024, 1025, 65_537, 100_003})
    void everyEpochSeesEveryExampleOnce(long examples) {
        for (long epoch : new long[] {0, 1, 2, 1_000_000_007L}) {
            BitSet seen = new BitSet();
            long[] order = epoch(new ExampleOrder(42, examples), epoch);
            LongStream.of(order).forEach(example -> seen.set((int) example));
            assertThat(seen.length()).isEqualTo((int) examples);
            assertThat(seen.cardinality()).isEqualTo((int) examples);
        }
    }

    @Test
    void aBijectionHoldsForEverySmallNumberOfExamples() {
        for (int examples = 1; examples <= 600; examples++) {
            assertThat(LongStream.of(epoch(new ExampleOrder(examples, examples), 3))
                            .distinct())
                    .hasSize(examples);
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 5, 256, 257, 1000, (1L << 60) - 12_345})
    void aPositionIsFoundAgainByItsExample(long examples) {
        ExampleOrder order = new ExampleOrder(17, examples);
        for (long position = 0; position < Math.min(examples, 2000); position++) {
            assertThat(order.position(3, order.example(3, position))).isEqualTo(position);
        }
    }

    @Test
    void positionsOfAHugeSourceNeedNoMemoryAndDiffer() {
        ExampleOrder order = new ExampleOrder(1, (1L << 60) - 12_345);
        long[] first = LongStream.range(0, 10_000)
                .map(position -> order.example(7, position))
                .toArray();
        assertThat(LongStream.of(first).distinct().count()).isEqualTo(10_000);
        assertThat(LongStream.of(first).max().orElseThrow()).isGreaterThan(1L << 59);
    }

    @Test
    void epochsAndSeedsHaveOrdersOfTheirOwn() {
        long[] order = epoch(new ExampleOrder(42, 1000), 0);
        assertThat(agreements(order, epoch(new ExampleOrder(42, 1000), 1))).isLessThan(12); // 1 is expected
        assertThat(agreements(order, epoch(new ExampleOrder(43, 1000), 0))).isLessThan(12);
        assertThat(agreements(order, LongStream.range(0, 1000).toArray())).isLessThan(12);
        assertThat(epoch(new ExampleOrder(42, 1000), 0)).isEqualTo(order);
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 3, 7, 10, 16, 100})
    void everyExampleComesFirstEquallyOften(int examples) {
        int epochs = 400 * examples;
        for (int position : new int[] {0, examples - 1}) {
            long[] counts = new long[examples];
            ExampleOrder order = new ExampleOrder(9, examples);
            LongStream.range(0, epochs).forEach(epoch -> counts[(int) order.example(epoch, position)]++);
            assertThat(chiSquare(counts, 400))
                    .as("chi-square of position %d", position)
                    .isLessThan(limit(examples));
        }
    }

    @Test
    void allOrdersOfFourExamplesAreEquallyLikely() {
        Map<String, Long> counts = new HashMap<>();
        ExampleOrder order = new ExampleOrder(5, 4);
        for (long epoch = 0; epoch < 24 * 400; epoch++) {
            counts.merge(Arrays.toString(epoch(order, epoch)), 1L, Long::sum);
        }
        assertThat(counts).hasSize(24);
        assertThat(chiSquare(counts.values().stream().mapToLong(Long::longValue).toArray(), 400))
                .isLessThan(limit(24));
    }

    @Test
    void neighboursDoNotStayNeighbours() {
        long[] order = epoch(new ExampleOrder(11, 10_000), 0);
        long neighbours = LongStream.range(1, order.length)
                .filter(i -> Math.abs(order[(int) i] - order[(int) i - 1]) == 1)
                .count();
        assertThat(neighbours).isLessThan(15); // 2 are expected
    }

    @Test
    void numbersThatCannotBeAreRefused() {
        assertThatThrownBy(() -> new ExampleOrder(1, 0)).isInstanceOf(IllegalArgumentException.class);
        ExampleOrder order = new ExampleOrder(1, 10);
        assertThatThrownBy(() -> order.example(0, 10)).hasMessageContaining("position 10 is not in [0, 10)");
        assertThatThrownBy(() -> order.example(0, -1)).isInstanceOf(IllegalArgumentException.class);
    }

    private static long[] epoch(ExampleOrder order, long epoch) {
        return LongStream.range(0, order.examples())
                .map(position -> order.example(epoch, position))
                .toArray();
    }

    private static int agreements(long[] one, long[] other) {
        return (int) LongStream.range(0, one.length)
                .filter(i -> one[(int) i] == other[(int) i])
                .count();
    }

    private static double chiSquare(long[] counts, double expected) {
        return LongStream.of(counts)
                .mapToDouble(count -> (count - expected) * (count - expected) / expected)
                .sum();
    }

    /** Mean of the distribution and five standard deviations. */
    private static double limit(int cells) {
        return cells - 1 + 5 * Math.sqrt(2.0 * (cells - 1)) + 5;
    }
}
