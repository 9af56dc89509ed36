// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.example.moons;

import java.util.List;

/**
 * How far two sets of points are apart as samples of distributions: 2 E|X − Y| − E|X − X′| − E|Y − Y′|, which is 0 for the
 * same distribution and above it for any other (Székely and Rizzo 2013).
 */
final class EnergyDistance {
    private EnergyDistance() {}

    /** Of sets of at least one point each. */
    static double between(List<float[]> some, List<float[]> others) {
        return 2 * meanDistance(some, others) - meanDistance(some, some) - meanDistance(others, others);
    }

    private static double meanDistance(List<float[]> some, List<float[]> others) {
        double sum = 0;
        for (float[] a : some) {
            for (float[] b : others) {
                sum += Math.hypot(a[0] - b[0], a[1] - b[1]);
            }
        }
        return sum / ((double) some.size() * others.size());
    }
}
