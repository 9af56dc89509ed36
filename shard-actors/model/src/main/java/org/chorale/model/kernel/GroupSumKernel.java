// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.kernel;

import org.bytedeco.pytorch.Tensor;

/**
 * Adds the products of groups of rows to sums of their own. A group without rows has none: what lies in its place means
 * nothing.
 *
 * <p>E groups of the rows that lie one behind the other, [m, n] the products of each.
 */
public sealed interface GroupSumKernel permits FusedGroupSum, AtenGroupSum {
    /** The fused one for bf16 products on a GPU that lie together, and fp32 sums; else ATen's. */
    static GroupSumKernel of(Tensor sums, Tensor products) {
        return FusedGroupSum.takes(sums, products) ? FusedGroupSum.INSTANCE : twin();
    }

    /** The reference, which takes everything. */
    static GroupSumKernel twin() {
        return AtenGroupSum.INSTANCE;
    }

    /**
     * sums += scale · products
     *
     * @param sums [E, m, n], which may be a part of wider ones
     * @param products [E, m, n]
     * @param ends [E] int32, behind the last row of each group
     * @param first whether what the sums hold counts for nothing
     */
    void add(Tensor sums, Tensor products, Tensor ends, double scale, boolean first);
}
