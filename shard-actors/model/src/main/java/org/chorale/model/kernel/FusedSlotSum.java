// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.kernel;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.kernel.ElementType;
import org.chorale.tensor.kernel.KernelModule;
import org.jspecify.annotations.Nullable;

/** The sum of a row's slots in one launch of {@code slot_sum.cu}, which reads each slot once. */
final class FusedSlotSum implements SlotSumKernel {
    static final FusedSlotSum INSTANCE = new FusedSlotSum();

    private static final int MAX_THREADS = 256;

    private FusedSlotSum() {}

    static boolean takes(Tensor slots) {
        return slots.is_cuda() && ElementType.of(slots).isPresent() && slots.is_contiguous();
    }

    @Override
    public Tensor sums(Tensor slots, Tensor places, @Nullable Tensor weights) {
        if (!places.is_contiguous() || (weights != null && !weights.is_contiguous())) {
            throw new IllegalArgumentException("places and weights of slots must be contiguous");
        }
        long width = slots.size(1);
        Tensor sums = torch.empty(new long[] {places.size(0), width}, slots.options(), null);
        Access access = Access.of(width, slots, sums);
        long accesses = width / access.lanes();
        long blocksOfRow = Blocks.ceilDiv(accesses, MAX_THREADS);
        KernelModule.of(FusedSlotSum.class, "slot_sum.cu", access.macros())
                .kernel("slot_sum")
                .launch()
                .tensor(slots)
                .tensor(places)
                .optional(weights)
                .tensor(sums)
                .index(Math.toIntExact(width))
                .index(Math.toIntExact(places.size(1)))
                .index(Math.toIntExact(blocksOfRow))
                .run(places.size(0) * blocksOfRow, Blocks.threads(Blocks.ceilDiv(accesses, blocksOfRow), MAX_THREADS));
        return sums;
    }
}
