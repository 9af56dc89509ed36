// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.kernel;

import java.util.HashMap;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.kernel.ElementType;
import org.chorale.tensor.kernel.KernelModule;
import org.chorale.tensor.kernel.Launch;
import org.jspecify.annotations.Nullable;

/**
 * The shares of keys in one launch of {@code shares.cu} each way, which allocates nothing: results lie where the scores and
 * the gradient of shares lay, row by row. The same scores give the same bits.
 *
 * @param element of the results
 * @param type likewise, as libtorch names it
 * @param cap 0 for none
 */
record FusedShares(ElementType element, ScalarType type, double cap) implements SharesKernel {
    /** Of scores, which become shares, and of the gradients of shares, which become those of products. */
    static final int BACKWARD_BLOCKS = 2;

    private static final int LANES = ElementType.FP32.lanes();
    private static final double LOG2_E = 1 / Math.log(2);

    static boolean takes(Tensor q) {
        return q.is_cuda() && ElementType.of(q).isPresent();
    }

    /** Results in the dtype of a tensor that it takes. */
    static FusedShares like(Tensor q, double cap) {
        return new FusedShares(ElementType.of(q).orElseThrow(), q.scalar_type().intern(), cap);
    }

    @Override
    public int forwardBlocks() {
        return 1;
    }

    @Override
    public int backwardBlocks() {
        return BACKWARD_BLOCKS;
    }

    @Override
    public Tensor forward(Tensor x, long queries, SeenKeys seen) {
        run("shares_forward", x, null, queries, seen);
        return results(x);
    }

    @Override
    public Gradients backward(Tensor x, Tensor dShares, long queries, SeenKeys seen) {
        run("shares_backward", x, dShares, queries, seen);
        return new Gradients(results(x), results(dShares));
    }

    private void run(String kernel, Tensor x, @Nullable Tensor dShares, long queries, SeenKeys seen) {
        long stride = rowStride(x);
        if (dShares != null && rowStride(dShares) != stride) {
            throw new IllegalArgumentException("scores and gradients of shares lie in memory differently");
        }
        long rows = x.size(0) * x.size(1);
        long keys = x.size(2);
        try (TensorScope scope = new TensorScope()) {
            Tensor mask = mask(seen);
            int held = mask == null ? 4 : 2; // accesses of a row that a thread has registers for
            Launch launch = module(mask != null, held).kernel(kernel).launch().tensor(x);
            if (dShares != null) {
                launch.tensor(dShares);
            }
            launch.index(Math.toIntExact(stride))
                    .index(Math.toIntExact(keys))
                    .index(Math.toIntExact(queries))
                    .index(Math.toIntExact(x.size(1) / queries))
                    .count(seen.firstKey())
                    .optional(seen.first())
                    .optional(seen.last())
                    .optional(mask)
                    .index(mask == null ? 1 : Math.toIntExact(x.size(0) / mask.size(0)))
                    .count(mask == null ? 0 : mask.stride(0))
                    .count(mask == null ? 0 : mask.stride(2))
                    .number((float) ((cap > 0 ? cap : 1) * LOG2_E))
                    .run(rows, Blocks.threads(Blocks.ceilDiv(keys, (long) LANES * held), Blocks.MAX_THREADS));
        }
    }

    /** In fp32, keys side by side. */
    private static @Nullable Tensor mask(SeenKeys seen) {
        if (seen.mask() == null) {
            return null;
        }
        Tensor mask = seen.mask().to(ScalarType.Float);
        return mask.stride(3) == 1 ? mask : mask.contiguous();
    }

    private KernelModule module(boolean masked, int held) {
        Map<String, String> macros = new HashMap<>();
        macros.put("SCALAR", element.word());
        macros.put("CAPPED", String.valueOf(cap > 0));
        macros.put("MASKED", String.valueOf(masked));
        macros.put("HELD", String.valueOf(held));
        return KernelModule.of(FusedShares.class, "shares.cu", macros);
    }

    /** In elements of fp32. */
    private static long rowStride(Tensor x) {
        long stride = x.stride(1);
        boolean padded = x.stride(2) == 1 && stride >= x.size(2) && x.stride(0) == stride * x.size(1);
        boolean aligned = stride * Float.BYTES % ROW_BYTES == 0 && x.data_ptr().address() % ROW_BYTES == 0;
        if (!padded || !aligned || x.scalar_type().intern() != ScalarType.Float) {
            throw new IllegalArgumentException("scores %s of %s, %d elements apart: rows are of fp32 and %d bytes apart"
                    .formatted(x.sizes(), x.scalar_type().intern(), stride, ROW_BYTES));
        }
        return stride;
    }

    /** What the kernel left in the rows' memory: [heads, queries·G, keys], rows as far apart as they were. */
    private Tensor results(Tensor rows) {
        return rows.view(type).narrow(2, 0, rows.size(2));
    }
}
