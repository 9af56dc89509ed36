// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;

/**
 * Products of rows that are sorted by expert with the matrices of their experts.
 *
 * <p>S slots, E experts. a_e are the rows of expert e, of which there may be none.
 */
sealed interface GroupedMatmul permits GroupedOperator, EachProduct {
    /**
     * libtorch's operator where it takes them, which computes all without the host; else a product for each expert, for which
     * the host waits until it knows how many rows each has.
     *
     * @param aligned whether all matrices lie as {@link StackedParameters#isAligned} says
     */
    static GroupedMatmul of(Tensor rows, Routing routing, boolean aligned) {
        return aligned && GroupedOperator.takes(rows, routing.ends())
                ? new GroupedOperator(routing.ends())
                : new EachProduct(routing);
    }

    /**
     * x_e·w_e for all e.
     *
     * @param x [S, I]
     * @param w [E, I, O]
     * @return [S, O]
     */
    Tensor of(Tensor x, Tensor w);

    /**
     * sums_e = scale·a_eᵀ·b_e for all e; what sums hold is not read.
     *
     * @param sums [E, m, n]
     * @param a [S, m]
     * @param b [S, n]
     */
    void write(Tensor sums, Tensor a, Tensor b, double scale);

    /** sums_e += scale·a_eᵀ·b_e, likewise. */
    void addTo(Tensor sums, Tensor a, Tensor b, double scale);
}
