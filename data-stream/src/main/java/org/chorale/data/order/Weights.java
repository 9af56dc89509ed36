// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.order;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.List;

/** Weights as people write them, as the whole numbers that stand in the same ratio. */
public final class Weights {
    private Weights() {}

    /**
     * The smallest whole numbers in the ratio of the weights: 0.7 and 0.3 are 7 and 3.
     *
     * @throws IllegalArgumentException where a weight is not above 0, or the numbers add up to more than a cycle can hold
     */
    public static int[] parts(List<Double> weights) {
        for (double weight : weights) {
            if (!(weight > 0) || Double.isInfinite(weight)) {
                throw new IllegalArgumentException(weight + " must be above 0");
            }
        }
        List<BigDecimal> exact = weights.stream().map(BigDecimal::valueOf).toList(); // as written, not as stored
        int digits = exact.stream().mapToInt(BigDecimal::scale).max().orElse(0);
        List<BigInteger> whole = exact.stream()
                .map(weight -> weight.movePointRight(digits).toBigIntegerExact())
                .toList();
        BigInteger divisor = whole.stream().reduce(BigInteger.ZERO, BigInteger::gcd);
        BigInteger sum = whole.stream().reduce(BigInteger.ZERO, BigInteger::add).divide(divisor);
        if (sum.compareTo(BigInteger.valueOf(MixCycle.MAX_POSITIONS)) > 0) {
            throw new IllegalArgumentException(
                    "%s are whole numbers in no smaller ratio than of a sum of %s; must be at most %d, so give fewer digits"
                            .formatted(weights, sum, MixCycle.MAX_POSITIONS));
        }
        return whole.stream()
                .mapToInt(weight -> weight.divide(divisor).intValueExact())
                .toArray();
    }
}
