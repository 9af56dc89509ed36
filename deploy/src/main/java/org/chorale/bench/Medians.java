// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;

/** Medians of measurements, and how sure they are. */
final class Medians {
    private static final int RESAMPLES = 10_000;

    private Medians() {}

    static double median(double[] values) {
        double[] sorted = Arrays.stream(values).sorted().toArray();
        return (sorted[(sorted.length - 1) / 2] + sorted[sorted.length / 2]) / 2;
    }

    /** The ends of the 95 % interval of the median, by resampling the values (percentile bootstrap). */
    static double[] interval(double[] values) {
        Random random = new Random(1);
        double[] medians = IntStream.range(0, RESAMPLES)
                .mapToDouble(i -> median(IntStream.range(0, values.length)
                        .mapToDouble(j -> values[random.nextInt(values.length)])
                        .toArray()))
                .sorted()
                .toArray();
        return new double[] {medians[(int) (RESAMPLES * 0.025)], medians[(int) (RESAMPLES * 0.975)]};
    }
}
