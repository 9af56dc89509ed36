// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.example.moons;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** Points of two half-moons that reach into each other, blurred a little; their mean is near 0. */
final class TwoMoons {
    private static final double BLUR = 0.05;

    private TwoMoons() {}

    /** Points [x, y], every other one of each moon. */
    static List<float[]> points(int count, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        List<float[]> points = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            double angle = Math.PI * random.nextDouble();
            double x = i % 2 == 0 ? Math.cos(angle) : 1 - Math.cos(angle);
            double y = i % 2 == 0 ? Math.sin(angle) : 0.5 - Math.sin(angle);
            points.add(
                    new float[] {(float) (x - 0.5 + BLUR * normal(random)), (float) (y - 0.25 + BLUR * normal(random))
                    });
        }
        return points;
    }

    /** Box and Muller's transform of two even numbers. */
    private static double normal(SplittableRandom random) {
        return Math.sqrt(-2 * Math.log(1 - random.nextDouble())) * Math.cos(2 * Math.PI * random.nextDouble());
    }
}
