// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.kernel;

import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Adds up what a row's slots hold, in their order and in fp32 at least, so that a run repeats bit for bit.
 *
 * <p>R rows, k slots of each, S = R·k slots in any order, D width.
 */
public sealed interface SlotSumKernel permits FusedSlotSum, AtenSlotSum {
    /** The fused one for contiguous fp32, bf16 or fp16 on a GPU; else ATen's. */
    static SlotSumKernel of(Tensor slots) {
        return FusedSlotSum.takes(slots) ? FusedSlotSum.INSTANCE : twin();
    }

    /** The reference, which takes everything. */
    static SlotSumKernel twin() {
        return AtenSlotSum.INSTANCE;
    }

    /**
     * Σ_j weights[r, j] · slots[places[r, j]]
     *
     * @param slots [S, D]
     * @param places [R, k] int64
     * @param weights [R, k], in fp32 at least; null for 1
     * @return [R, D], in the dtype of the slots
     */
    Tensor sums(Tensor slots, Tensor places, @Nullable Tensor weights);
}
