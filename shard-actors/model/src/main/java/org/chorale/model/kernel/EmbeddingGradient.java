// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.kernel;

import java.util.Map;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.T_TensorTensor_T;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.kernel.ElementType;
import org.chorale.tensor.kernel.KernelModule;

/**
 * Adds rows to the rows of a table's gradient that tokens name: V rows of the table, D their width, R rows that are added.
 *
 * <p>On a GPU the rows are sorted by token first, so that the sums of a token are made in the order of its rows, without
 * atomic additions: a run repeats bit for bit.
 */
public final class EmbeddingGradient {
    private static final int WINDOW = 32; // sorted rows of a block, which has no fewer threads
    private static final int WARP = 32;
    private static final int MAX_THREADS = 256;

    private EmbeddingGradient() {}

    /**
     * @param gradient [V, D], added to
     * @param tokens [R] int64, each below V
     * @param dy [R, D]
     */
    public static void add(Tensor gradient, Tensor tokens, Tensor dy) {
        if (takes(gradient, dy)) {
            sorted(gradient, tokens, dy);
        } else {
            twin(gradient, tokens, dy);
        }
    }

    /** The same by libtorch's own operator, which on a GPU adds in any order. */
    public static void twin(Tensor gradient, Tensor tokens, Tensor dy) {
        try (TensorScope scope = new TensorScope()) {
            gradient.index_add_(0, tokens, dy.to(gradient.scalar_type()));
        }
    }

    /**
     * Whether both lie on a GPU, are contiguous and begin at a multiple of 16 bytes, the gradient in fp32 or bf16, the rows
     * in fp32, bf16 or fp16 and a multiple of 16 bytes wide.
     */
    private static boolean takes(Tensor gradient, Tensor dy) {
        ElementType sum = ElementType.of(gradient).orElse(ElementType.FP16);
        return dy.is_cuda()
                && dy.numel() > 0
                && ElementType.of(dy).isPresent()
                && sum != ElementType.FP16
                && dy.size(1) % ElementType.of(dy).get().lanes() == 0
                && isAligned(dy)
                && isAligned(gradient);
    }

    private static boolean isAligned(Tensor tensor) {
        return tensor.is_contiguous() && tensor.data_ptr().address() % 16 == 0;
    }

    private static void sorted(Tensor gradient, Tensor tokens, Tensor dy) {
        long rows = dy.size(0);
        int width = Math.toIntExact(dy.size(1));
        int vocabulary = Math.toIntExact(gradient.size(0));
        ElementType type = ElementType.of(dy).orElseThrow();
        int columns = width / type.lanes(); // for a thread each
        int threads = Math.min(MAX_THREADS, (columns + WARP - 1) / WARP * WARP);
        int slabs = (columns + threads - 1) / threads;
        long windows = (rows + WINDOW - 1) / WINDOW;
        KernelModule module = module(type, ElementType.of(gradient).orElseThrow());
        try (TensorScope scope = new TensorScope()) {
            T_TensorTensor_T sorted = torch.sort(tokens.to(ScalarType.Int), new BoolOptional(true), 0, false);
            Tensor sortedTokens = sorted.get0(); // [R] int32
            Tensor order = sorted.get1(); // [R] int64
            Tensor partialSums = Device.of(dy).empty(ScalarType.Float, windows, 2, width);
            module.kernel("add_windows")
                    .launch()
                    .tensor(dy)
                    .tensor(sortedTokens)
                    .tensor(order)
                    .count(rows)
                    .index(width)
                    .index(vocabulary)
                    .tensor(gradient)
                    .tensor(partialSums)
                    .run(windows, slabs, threads);
            module.kernel("add_partial_sums")
                    .launch()
                    .tensor(sortedTokens)
                    .count(rows)
                    .index(width)
                    .index(vocabulary)
                    .tensor(gradient)
                    .tensor(partialSums)
                    .run(windows, slabs, threads);
        }
    }

    private static KernelModule module(ElementType type, ElementType sum) {
        return KernelModule.of(
                EmbeddingGradient.class,
                "embedding_gradient.cu",
                Map.of("SCALAR", type.word(), "SUM", sum.word(), "WINDOW", String.valueOf(WINDOW)));
    }
}
