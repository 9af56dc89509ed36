// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.kernel;

import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.kernel.ElementType;
import org.chorale.tensor.kernel.KernelModule;

/** The sums of groups' products in one launch of {@code group_sum.cu}, which reads the groups' ends on the device. */
final class FusedGroupSum implements GroupSumKernel {
    static final FusedGroupSum INSTANCE = new FusedGroupSum();

    private static final int THREADS = 256;
    private static final int ALIGNMENT_BYTES = 16;
    private static final int LANES = ElementType.BF16.lanes();

    private FusedGroupSum() {}

    static boolean takes(Tensor sums, Tensor products) {
        return products.is_cuda()
                && ElementType.of(products).filter(ElementType.BF16::equals).isPresent()
                && ElementType.of(sums).filter(ElementType.FP32::equals).isPresent()
                && liesTogether(sums)
                && liesTogether(products);
    }

    /** Whether each group's matrix is contiguous and aligned as a whole. */
    private static boolean liesTogether(Tensor matrices) {
        return matrices.stride(2) == 1
                && matrices.stride(1) == matrices.size(2)
                && matrices.size(1) * matrices.size(2) % LANES == 0
                && matrices.stride(0) % LANES == 0
                && matrices.data_ptr().address() % ALIGNMENT_BYTES == 0;
    }

    @Override
    public void add(Tensor sums, Tensor products, Tensor ends, double scale, boolean first) {
        long elements = sums.size(1) * sums.size(2);
        KernelModule.of(FusedGroupSum.class, "group_sum.cu", Map.of())
                .kernel("group_sum")
                .launch()
                .tensor(products)
                .tensor(sums)
                .tensor(ends)
                .number((float) scale)
                .index(first ? 1 : 0)
                .count(elements)
                .count(products.stride(0))
                .count(sums.stride(0))
                .run(Blocks.ceilDiv(elements / LANES, THREADS), Math.toIntExact(sums.size(0)), THREADS);
    }
}
