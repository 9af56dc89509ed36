// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.order;

import static org.assertj.core.api.Assertions.assertThat;

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

class BatchOrdersTest {
    private static final int CAPACITY = 64;

    /** A made-up run. */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Case(long seed, int examples, int globalBatch, int window, int[] lengths) {
        static Case of(long seed) {
            Random random = new Random(seed);
            int examples = 1 + random.nextInt(300);
            int[] lengths = IntStream.range(0, examples)
                    .map(i -> 1 + (int) (CAPACITY * Math.pow(random.nextDouble(), 3)))
                    .toArray();
            return new Case(seed, examples, 1 + random.nextInt(9), 1 + random.nextInt(70), lengths);
        }

        int length(long example) {
            return lengths[(int) example];
        }

        BatchOrder packed() {
            return new PackedOrder(new ExampleOrder(seed, examples), this::length, CAPACITY, globalBatch, window);
        }

        BatchOrder grouped() {
            return new GroupedOrder(new ExampleOrder(seed, examples), this::length, globalBatch, window);
        }

        BatchOrder plain() {
            return new PlainOrder(new ExampleOrder(seed, examples), globalBatch);
        }

        @Override
        public String toString() {
            return "seed " + seed;
        }
    }

    static Stream<Case> cases() {
        return LongStream.range(0, 40).mapToObj(Case::of);
    }

    @ParameterizedTest
    @MethodSource("cases")
    void noExampleIsLostOrDoubledInAnEpoch(Case run) {
        for (BatchOrder order : List.of(run.packed(), run.grouped(), run.plain())) {
            long step = 0;
            for (long epoch = 0; epoch < 3; epoch++) {
                Set<Long> seen = new HashSet<>();
                long last = step + order.stepsOf(epoch);
                while (step < last) {
                    StepSequences taken = order.step(++step, 0, 1);
                    LongStream.of(taken.examples())
                            .forEach(example -> assertThat(seen.add(example)).isTrue());
                    boolean whole = taken.sequences().length == run.globalBatch();
                    assertThat(whole || step == last)
                            .as("only the last step is short")
                            .isTrue();
                    assertThat(taken.epochs() == epoch + 1).isEqualTo(step == last);
                }
                assertThat(seen).hasSize(run.examples());
            }
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void aStepIsTheSameWhoeverAsksAndWheneverAndForAnyNumberOfRanks(Case run) {
        List<BatchOrder> orders = List.of(run.packed(), run.grouped(), run.plain());
        List<BatchOrder> fresh = List.of(run.packed(), run.grouped(), run.plain());
        for (int i = 0; i < orders.size(); i++) {
            long steps = orders.get(i).steps(new BigDecimal("2.5"));
            for (long step = steps;
                    step >= 1;
                    step -= 1 + run.seed() % 3) { // backwards, so that nothing can be carried
                long[][] whole = orders.get(i).step(step, 0, 1).sequences();
                for (int worldSize : new int[] {1, 2, 5, 16}) {
                    List<long[]> together = new ArrayList<>();
                    for (int rank = 0; rank < worldSize; rank++) {
                        together.addAll(Arrays.asList(
                                fresh.get(i).step(step, rank, worldSize).sequences()));
                    }
                    assertThat(together.toArray(long[][]::new)).isDeepEqualTo(whole);
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void aPackedSequenceFitsAndStaysInsideItsWindow(Case run) {
        ExampleOrder order = new ExampleOrder(run.seed(), run.examples());
        int[] windowOf = new int[run.examples()];
        for (int position = 0; position < run.examples(); position++) {
            windowOf[(int) order.example(0, position)] = position / run.window();
        }
        BatchOrder packed = run.packed();
        int latest = 0;
        for (long step = 1; step <= packed.stepsOf(0); step++) {
            for (long[] sequence : packed.step(step, 0, 1).sequences()) {
                assertThat(LongStream.of(sequence)
                                .mapToInt(example -> run.lengths()[(int) example])
                                .sum())
                        .isBetween(1, CAPACITY);
                int[] windows = LongStream.of(sequence)
                        .mapToInt(example -> windowOf[(int) example])
                        .distinct()
                        .toArray();
                assertThat(windows).hasSize(1);
                assertThat(windows[0]).isBetween(latest, latest + 1);
                latest = windows[0];
            }
        }
    }

    /** Other lengths in the last window change nothing before it. */
    @ParameterizedTest
    @MethodSource("cases")
    void windowsAreIndependent(Case run) {
        ExampleOrder order = new ExampleOrder(run.seed(), run.examples());
        int lastWindow = (run.examples() - 1) / run.window() * run.window();
        int[] other = run.lengths().clone();
        for (int position = lastWindow; position < run.examples(); position++) {
            other[(int) order.example(0, position)] = 1;
        }
        List<long[]> before = sequences(run.packed());
        List<long[]> after =
                sequences(new Case(run.seed(), run.examples(), run.globalBatch(), run.window(), other).packed());
        int same = 0;
        int examples = 0;
        while (examples < lastWindow) {
            assertThat(after.get(same)).isEqualTo(before.get(same));
            examples += before.get(same++).length;
        }
        assertThat(examples).isEqualTo(lastWindow);
    }

    @Test
    void packingLeavesLittleRoom() {
        Random random = new Random(1);
        int[] lengths = IntStream.range(0, 4000)
                .map(i -> 1 + random.nextInt(CAPACITY / 2))
                .toArray();
        BatchOrder packed = new PackedOrder(new ExampleOrder(3, 4000), i -> lengths[(int) i], CAPACITY, 8, 1024);
        double filled =
                (double) IntStream.of(lengths).sum() / (sequences(packed).size() * CAPACITY);
        assertThat(filled).isGreaterThan(0.99);
    }

    @Test
    void packedSequencesAreNotInTheOrderOfTheirSizes() {
        int[] lengths = IntStream.range(0, 200).map(i -> 1 + i % CAPACITY).toArray();
        BatchOrder packed = new PackedOrder(new ExampleOrder(3, 200), i -> lengths[(int) i], CAPACITY, 8, 200);
        List<Integer> documents =
                sequences(packed).stream().map(sequence -> sequence.length).toList();
        assertThat(documents).isNotEqualTo(documents.stream().sorted().toList());
        assertThat(sequences(packed))
                .allSatisfy(sequence -> assertThat(sequence).doesNotHaveDuplicates());
    }

    @Test
    void aGroupedStepHasLikeLengthsAndTheStepsAreShuffled() {
        int[] lengths = new Random(2).ints(1000, 1, 500).toArray();
        ExampleOrder order = new ExampleOrder(5, 1000);
        BatchOrder grouped = new GroupedOrder(order, i -> lengths[(int) i], 8, 256);
        assertThat(spread(grouped, lengths)).isLessThan(spread(new PlainOrder(order, 8), lengths) / 10);
        long[] firsts = LongStream.rangeClosed(1, 32)
                .map(step -> lengths[(int) grouped.step(step, 0, 1).examples()[0]])
                .toArray();
        assertThat(LongStream.of(firsts).boxed().toList())
                .isNotEqualTo(LongStream.of(firsts).sorted().boxed().toList());
        assertThat(LongStream.of(firsts).boxed().toList())
                .isNotEqualTo(LongStream.of(firsts)
                        .map(length -> -length)
                        .sorted()
                        .map(length -> -length)
                        .boxed()
                        .toList());
    }

    @Test
    void partsOfEpochsAreRoundedUpToStepsWithoutBinaryDust() {
        BatchOrder ten = new PlainOrder(new ExampleOrder(1, 20), 2);
        assertThat(ten.steps(BigDecimal.valueOf(1.1))).isEqualTo(11);
        assertThat(ten.steps(BigDecimal.valueOf(1.11))).isEqualTo(12);
        assertThat(ten.steps(BigDecimal.valueOf(0.01))).isEqualTo(1);
        assertThat(ten.steps(BigDecimal.valueOf(3))).isEqualTo(30);
        assertThat(new PlainOrder(new ExampleOrder(1, 9), 2).stepsOf(0)).isEqualTo(5);
    }

    @Test
    void epochsOfPackedSequencesMayDifferInTheirSteps() {
        int[] lengths = new Random(4).ints(100, 1, CAPACITY).toArray();
        BatchOrder packed = new PackedOrder(new ExampleOrder(8, 100), i -> lengths[(int) i], CAPACITY, 1, 10);
        long[] steps = LongStream.range(0, 20).map(packed::stepsOf).toArray();
        assertThat(LongStream.of(steps).distinct().count()).isGreaterThan(1);
        assertThat(packed.steps(BigDecimal.valueOf(2.5))).isEqualTo(steps[0] + steps[1] + (steps[2] + 1) / 2);
        assertThat(packed.step(steps[0] + 1, 0, 1).epochs()).isEqualTo(1 + 1.0 / steps[1]);
    }

    private static double spread(BatchOrder order, int[] lengths) {
        return LongStream.rangeClosed(1, order.stepsOf(0))
                .mapToObj(step -> LongStream.of(order.step(step, 0, 1).examples())
                        .mapToInt(example -> lengths[(int) example])
                        .summaryStatistics())
                .mapToInt(step -> step.getMax() - step.getMin())
                .average()
                .orElseThrow();
    }

    private static List<long[]> sequences(BatchOrder order) {
        return LongStream.rangeClosed(1, order.stepsOf(0))
                .mapToObj(step -> order.step(step, 0, 1).sequences())
                .flatMap(Arrays::stream)
                .toList();
    }
}
