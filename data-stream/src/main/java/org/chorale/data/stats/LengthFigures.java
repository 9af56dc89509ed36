// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.stats;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.LongStream;

/**
 * How long examples are.
 *
 * @param percentiles tokens that so many per cent of the examples have at most
 * @param histogram in rising order
 */
public record LengthFigures(Map<Integer, Integer> percentiles, List<Bin> histogram) {
    private static final int[] PERCENTS = {1, 10, 25, 50, 75, 90, 99, 100};

    /**
     * Examples of like length.
     *
     * @param from tokens, at least
     * @param to tokens, at most
     */
    public record Bin(int from, int to, long examples) {}

    /**
     * Counts lengths; the memory for it grows with the longest alone.
     *
     * @param lengths tokens of each example
     * @param longest of them
     */
    public static LengthFigures of(IntStream lengths, int longest) {
        long[] counts = new long[longest + 1];
        lengths.forEach(length -> counts[length]++);
        return new LengthFigures(percentiles(counts), histogram(counts));
    }

    private static Map<Integer, Integer> percentiles(long[] counts) {
        long all = LongStream.of(counts).sum();
        Map<Integer, Integer> percentiles = new LinkedHashMap<>();
        long seen = 0;
        int length = -1;
        for (int percent : PERCENTS) {
            while (seen < percent / 100.0 * all) {
                seen += counts[++length];
            }
            percentiles.put(percent, Math.max(0, length));
        }
        return percentiles;
    }

    /** Each bin is twice as wide as the one before; empty ones at both ends are left out. */
    private static List<Bin> histogram(long[] counts) {
        List<Bin> bins = new ArrayList<>();
        for (long from = 0; from < counts.length; from = Math.max(1, 2 * from)) {
            int to = (int) Math.min(counts.length, Math.max(1, 2 * from)) - 1;
            long examples = IntStream.rangeClosed((int) from, to)
                    .mapToLong(length -> counts[length])
                    .sum();
            if (examples > 0 || !bins.isEmpty()) {
                bins.add(new Bin((int) from, to, examples));
            }
        }
        return bins;
    }
}
