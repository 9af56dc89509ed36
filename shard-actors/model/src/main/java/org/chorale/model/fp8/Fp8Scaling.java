// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.fp8;

/** Over what of a matrix the largest absolute value is taken, which becomes the largest number of the format. */
public enum Fp8Scaling {
    /**
     * All of it: one scale. All three products of a linear are FP8, gradients in E5M2: the fastest.
     */
    TENSOR(Fp8Format.E5M2),
    /**
     * Each row along which a product sums. Gradients are E4M3, because a scale of its own spares a row the wider exponent,
     * and the product that gives the weight's gradient, whose rows would be other ones, stays bf16: the most exact
     * (torchao's recipe {@code rowwise_with_gw_hp}).
     */
    ROW(Fp8Format.E4M3);

    private final Fp8Format gradients;

    Fp8Scaling(Fp8Format gradients) {
        this.gradients = gradients;
    }

    /** The format of what comes back from a linear's outputs. */
    public Fp8Format gradients() {
        return gradients;
    }
}
