// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.kernel.GroupSumKernel;
import org.chorale.tensor.Operator;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.kernel.KernelModule;

/**
 * libtorch's grouped product, which reads on the device how many rows each expert has.
 *
 * <p>On Hopper and on Blackwell's GPUs for data centers it takes bf16, rows and columns of a multiple of 16 bytes and
 * fewer than 1,024 matrices, any distance apart. Elsewhere, in libtorch 2.10, it is a loop that waits for the device, so that
 * it is not used there. What it gives is bf16: a gradient's addend is rounded to that and added in fp32.
 *
 * @param ends [E] int32, behind the last row of each expert; the last one is S
 * @param addendBytes of the rounded addend of a gradient, which is computed in parts of that size at most
 */
record GroupedOperator(Tensor ends, long addendBytes) implements GroupedMatmul {
    /** Rows that the operator computes at once where there are enough; parts of an addend are multiples of it. */
    private static final long TILE_ROWS = 128;

    private static final int MOST_EXPERTS = 1_023; // a thread for each in one block
    private static final int HOPPER = 9; // major number of the compute capability
    private static final int BLACKWELL = 10;

    /** a·b by groups: [S, I]·[E, I, O] → [S, O], and [m, S]·[S, n] → [E, m, n]. Behind the ends, bias and dtype. */
    private static final Operator GROUPED = Operator.named("aten::_grouped_mm");

    GroupedOperator(Tensor ends) {
        this(ends, MixtureOfExperts.ADDEND_BYTES);
    }

    static boolean takes(Tensor rows, Tensor ends) {
        return rows.is_cuda()
                && rows.scalar_type().intern() == ScalarType.BFloat16
                && ends.numel() <= MOST_EXPERTS
                && knows(KernelModule.architecture(Device.of(rows).index()) / 10);
    }

    private static boolean knows(int generation) {
        return generation == HOPPER || generation == BLACKWELL;
    }

    @Override
    public Tensor of(Tensor x, Tensor w) {
        try (TensorScope scope = new TensorScope()) {
            return scope.keep(product(x, w));
        }
    }

    @Override
    public void write(Tensor sums, Tensor a, Tensor b, double scale) {
        accumulate(sums, a, b, scale, true);
    }

    @Override
    public void addTo(Tensor sums, Tensor a, Tensor b, double scale) {
        accumulate(sums, a, b, scale, false);
    }

    private void accumulate(Tensor sums, Tensor a, Tensor b, double scale, boolean first) {
        long rows = rowsAtOnce(sums.size(1), sums.size(0) * b.size(1) * b.element_size());
        for (long from = 0; from < sums.size(1); from += rows) {
            try (TensorScope scope = new TensorScope()) {
                long count = Math.min(rows, sums.size(1) - from);
                Tensor part = sums.narrow(1, from, count);
                Tensor addend = product(a.narrow(1, from, count).t(), b); // [E, count, n]
                GroupSumKernel.of(part, addend).add(part, addend, ends, scale, first);
            }
        }
    }

    private Tensor product(Tensor a, Tensor b) {
        return GROUPED.call(a, b, ends, Operator.NONE, Operator.NONE)[0];
    }

    /**
     * Of each expert's m rows as many as make even parts within the limit.
     *
     * @param rowBytes of one row of all experts
     */
    private long rowsAtOnce(long rows, long rowBytes) {
        long most = Math.max(TILE_ROWS, addendBytes / rowBytes / TILE_ROWS * TILE_ROWS);
        long parts = ceilDiv(rows, most);
        return ceilDiv(ceilDiv(rows, parts), TILE_ROWS) * TILE_ROWS;
    }

    private static long ceilDiv(long dividend, long divisor) {
        return (dividend + divisor - 1) / divisor;
    }
}
