// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.function.BiPredicate;
import java.util.stream.IntStream;

/**
 * A few rows of one value for each factor, in which every two values of different factors meet that may. Greedy (Cohen et
 * al. 1997, the AETG system): a row begins with a pair that is missing, takes for every other factor the value that adds
 * the most, and is the best of several that are tried. The same rows for the same factors.
 */
final class PairwiseArray<T> {
    private static final int TRIES = 20;

    private final List<List<T>> factors;
    private final BiPredicate<T, T> together;
    private final Random random = new Random(1);
    private final Set<Set<T>> missing = new HashSet<>();
    private final List<Set<T>> order = new ArrayList<>(); // in which rows begin with them

    private PairwiseArray(List<List<T>> factors, BiPredicate<T, T> together) {
        this.factors = factors;
        this.together = together;
        for (int i = 0; i < factors.size(); i++) {
            for (int j = i + 1; j < factors.size(); j++) {
                addPairs(factors.get(i), factors.get(j));
            }
        }
        Collections.shuffle(order, random);
    }

    private void addPairs(List<T> ones, List<T> others) {
        for (T one : ones) {
            for (T other : others) {
                if (together.test(one, other)) {
                    missing.add(Set.of(one, other));
                    order.add(Set.of(one, other));
                }
            }
        }
    }

    /**
     * The rows, each in the order of the factors.
     *
     * @param together whether two values may meet; the first of each factor meets all
     */
    static <T> List<List<T>> of(List<List<T>> factors, BiPredicate<T, T> together) {
        PairwiseArray<T> array = new PairwiseArray<>(factors, together);
        List<List<T>> rows = new ArrayList<>();
        for (Set<T> pair : array.order) {
            if (array.missing.contains(pair)) {
                rows.add(array.next(pair));
            }
        }
        return rows;
    }

    /** The pairs of a row. */
    static <T> Set<Set<T>> pairs(List<T> row) {
        Set<Set<T>> pairs = new HashSet<>();
        for (int i = 0; i < row.size(); i++) {
            for (int j = i + 1; j < row.size(); j++) {
                pairs.add(Set.of(row.get(i), row.get(j)));
            }
        }
        return pairs;
    }

    private List<T> next(Set<T> pair) {
        List<T> best = IntStream.range(0, TRIES)
                .mapToObj(i -> candidate(pair))
                .max(Comparator.comparingLong(
                        row -> pairs(row).stream().filter(missing::contains).count()))
                .orElseThrow();
        missing.removeAll(pairs(best));
        return best;
    }

    /** Factors are decided in a random order. */
    private List<T> candidate(Set<T> pair) {
        List<T> decided = new ArrayList<>(pair);
        List<List<T>> open = new ArrayList<>(factors);
        open.removeIf(values -> values.stream().anyMatch(pair::contains));
        Collections.shuffle(open, random);
        open.forEach(values -> decided.add(choice(values, decided)));
        return factors.stream()
                .map(values ->
                        decided.stream().filter(values::contains).findFirst().orElseThrow())
                .toList();
    }

    private T choice(List<T> values, List<T> decided) {
        List<T> fitting = new ArrayList<>(values);
        fitting.removeIf(value -> !decided.stream().allMatch(other -> together.test(value, other)));
        Collections.shuffle(fitting, random);
        return Collections.max(
                fitting,
                Comparator.comparingLong(value -> decided.stream()
                        .filter(other -> missing.contains(Set.of(value, other)))
                        .count()));
    }
}
