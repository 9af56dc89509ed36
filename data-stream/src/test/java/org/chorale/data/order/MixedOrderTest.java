// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.order;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class MixedOrderTest {
    private static final int EPOCHS = 4;

    /** Made-up sources. */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Case(long seed, long[] examples, int[] parts, WhenExhausted exhausted) {
        static Case of(long seed) {
            Random random = new Random(seed);
            int sources = 1 + random.nextInt(5);
            long[] examples = random.longs(sources, 1, 60).toArray();
            int[] parts = random.ints(sources, 1, 1 + random.nextInt(40) + 1).toArray();
            return new Case(seed, examples, parts, seed % 2 == 0 ? WhenExhausted.REPEAT : WhenExhausted.STOP);
        }

        MixedOrder order() {
            return new MixedOrder(seed, examples, parts, exhausted);
        }

        double share(int source) {
            return (double) parts[source] / IntStream.of(parts).sum();
        }

        int source(long example) {
            int source = 0;
            long last = examples[0];
            while (example >= last) {
                last += examples[++source];
            }
            return source;
        }

        /** Tokens of an example, for orders by length. */
        int length(long example) {
            return 1 + (int) (example * 7919 % 32);
        }

        List<BatchOrder> batches() {
            return List.of(
                    new PlainOrder(order(), 3),
                    new GroupedOrder(order(), this::length, 3, 10),
                    new PackedOrder(order(), this::length, 64, 3, 10));
        }

        @Override
        public String toString() {
            return "seed %d: %s in the ratio %s, %s"
                    .formatted(seed, Arrays.toString(examples), Arrays.toString(parts), exhausted);
        }
    }

    static Stream<Case> cases() {
        return LongStream.range(0, 60).mapToObj(Case::of);
    }

    @ParameterizedTest
    @MethodSource("cases")
    void sharesAreWithinOneOfExactAfterAnyNumberOfPositions(Case mix) {
        MixedOrder order = mix.order();
        long[] turns = new long[mix.parts().length];
        for (long position = 0; position < order.positions(); position++) {
            turns[mix.source(order.example(0, position))]++;
            for (int source = 0; source < turns.length; source++) {
                assertThat(Math.abs(turns[source] - (position + 1) * mix.share(source)))
                        .as("source %d after position %d", source, position)
                        .isLessThan(1);
            }
        }
        for (int source = 0; source < turns.length; source++) {
            assertThat(order.turnsInEpoch(source)).isEqualTo(turns[source]);
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void noExampleComesAgainBeforeItsSourceHasBeenSeenAsAWhole(Case mix) {
        MixedOrder order = mix.order();
        List<Set<Long>> pass = new ArrayList<>();
        IntStream.range(0, mix.parts().length).forEach(source -> pass.add(new HashSet<>()));
        for (long epoch = 0; epoch < EPOCHS; epoch++) {
            for (long position = 0; position < order.positions(); position++) {
                long example = order.example(epoch, position);
                int source = mix.source(example);
                assertThat(pass.get(source).add(example))
                        .as("example %d of source %d in epoch %d", example, source, epoch)
                        .isTrue();
                if (pass.get(source).size() == mix.examples()[source]) {
                    pass.get(source).clear();
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void anEpochEndsAsItsSourcesRunOut(Case mix) {
        long[] turns = new long[mix.parts().length];
        MixedOrder order = mix.order();
        Set<Long> seen = new HashSet<>();
        for (long position = 0; position < order.positions(); position++) {
            seen.add(order.example(0, position));
            turns[mix.source(order.example(0, position))]++;
        }
        if (mix.exhausted() == WhenExhausted.STOP) {
            assertThat(seen).as("nothing comes twice").hasSize((int) order.positions());
            assertThat(IntStream.range(0, turns.length).anyMatch(source -> turns[source] == mix.examples()[source]))
                    .as("a source is seen whole")
                    .isTrue();
        } else {
            assertThat(seen).as("everything comes").hasSize((int)
                    LongStream.of(mix.examples()).sum());
            int last = mix.source(order.example(0, order.positions() - 1));
            assertThat(turns[last]).as("the last one ends it").isEqualTo(mix.examples()[last]);
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void stepsOfAMixAreTheSameWhoeverAsksAndFromAnyStep(Case mix) {
        for (int kind = 0; kind < mix.batches().size(); kind++) {
            BatchOrder order = mix.batches().get(kind);
            for (long step = order.steps(new BigDecimal("2.5"));
                    step >= 1;
                    step -= 2) { // backwards: nothing is carried
                BatchOrder fresh = mix.batches().get(kind);
                long[][] whole = order.step(step, 0, 1).sequences();
                for (int worldSize : new int[] {2, 5}) {
                    List<long[]> together = new ArrayList<>();
                    for (int rank = 0; rank < worldSize; rank++) {
                        together.addAll(
                                Arrays.asList(fresh.step(step, rank, worldSize).sequences()));
                    }
                    assertThat(together.toArray(long[][]::new)).isDeepEqualTo(whole);
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void packedAndGroupedStepsTakeTheSameExamplesAsPlainOnes(Case mix) {
        List<List<Long>> taken = mix.batches().stream()
                .map(order -> LongStream.rangeClosed(1, order.stepsOf(0))
                        .flatMap(step -> LongStream.of(order.step(step, 0, 1).examples()))
                        .sorted()
                        .boxed()
                        .toList())
                .toList();
        assertThat(taken.get(1)).isEqualTo(taken.get(0));
        assertThat(taken.get(2)).isEqualTo(taken.get(0));
    }

    @Test
    void anotherSeedOrEpochTakesTheTurnsInTheSameOrderButOtherExamples() {
        long[] examples = {1000, 500};
        MixedOrder order = new MixedOrder(1, examples, new int[] {2, 1}, WhenExhausted.STOP);
        MixedOrder other = new MixedOrder(2, examples, new int[] {2, 1}, WhenExhausted.STOP);
        assertThat(order.positions()).isEqualTo(1500);
        int same = 0;
        for (long position = 0; position < 1500; position++) {
            assertThat(order.example(0, position) < 1000).isEqualTo(other.example(3, position) < 1000);
            same += order.example(0, position) == other.example(0, position) ? 1 : 0;
        }
        assertThat(same).isLessThan(20); // 2 are expected
    }

    @Test
    void sourcesOfOneSizeDoNotTakeTheirExamplesInOneOrder() {
        MixedOrder order = new MixedOrder(1, new long[] {500, 500}, new int[] {1, 1}, WhenExhausted.STOP);
        long same = LongStream.range(0, 500)
                .filter(turn -> order.example(0, 2 * turn) == order.example(0, 2 * turn + 1) - 500)
                .count();
        assertThat(same).isLessThan(12); // 1 is expected
    }

    @Test
    void aMixOfHugeSourcesNeedsNoMemory() {
        MixedOrder order = new MixedOrder(1, new long[] {1L << 40, 10}, new int[] {1, 1}, WhenExhausted.REPEAT);
        assertThat(order.positions()).isEqualTo((1L << 41) - 1);
        assertThat(order.turnsInEpoch(1)).isEqualTo((1L << 40) - 1);
        assertThat(order.example(1, order.positions() - 2)).isGreaterThanOrEqualTo(1L << 40);
    }

    @Test
    void weightsBecomeTheSmallestWholeNumbersInTheirRatio() {
        assertThat(Weights.parts(List.of(0.7, 0.3))).containsExactly(7, 3);
        assertThat(Weights.parts(List.of(2.0, 4.0, 6.0))).containsExactly(1, 2, 3);
        assertThat(Weights.parts(List.of(1.0, 1e-3))).containsExactly(1000, 1);
        assertThat(Weights.parts(List.of(1e3, 5e2))).containsExactly(2, 1);
        assertThatThrownBy(() -> Weights.parts(List.of(0.123456, 0.876543))).hasMessageContaining("give fewer digits");
        assertThatThrownBy(() -> Weights.parts(List.of(1.0, 0.0))).hasMessageContaining("0.0 must be above 0");
        assertThatThrownBy(() -> Weights.parts(List.of(-1.0))).hasMessageContaining("must be above 0");
    }

    @Test
    void aWholeCycleIsExactForTheLongestThatThereMayBe() {
        MixCycle cycle = new MixCycle(new int[] {65_535, 1});
        assertThat(cycle.turnsBefore(1, 65_536)).isEqualTo(1);
        assertThat(cycle.turnsBefore(0, 65_536)).isEqualTo(65_535);
        assertThatThrownBy(() -> new MixCycle(new int[] {65_535, 2})).isInstanceOf(IllegalArgumentException.class);
    }
}
