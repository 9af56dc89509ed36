// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.kernel;

import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.kernel.ElementType;
import org.chorale.tensor.kernel.KernelModule;
import org.jspecify.annotations.Nullable;

/**
 * Cross entropy of C rows of logits over V classes, and its gradient where the logits were, without a copy in fp32.
 *
 * <p>A row costs (1 − ε)·(−log p[target]) + ε/V·Σ(−log p) + z·lse². A target that is no class makes its row's cost NaN,
 * so that the step does not happen.
 *
 * @param labelSmoothing ε
 * @param zLoss z
 */
public record CrossEntropyKernel(double labelSmoothing, double zLoss) {
    private static final int WARP = 32;
    private static final int MAX_THREADS = 1024;

    /** Whether logits [C, V] lie on a GPU, are contiguous, and are fp32, bf16 or fp16. */
    public static boolean takes(Tensor logits) {
        return logits.is_cuda()
                && logits.is_contiguous()
                && ElementType.of(logits).isPresent();
    }

    /**
     * Forward alone.
     *
     * @param logits [C, V]
     * @param targets [C] int64
     * @return what each row costs, [C] fp32, in the caller's scope
     */
    public Tensor costs(Tensor logits, Tensor targets) {
        return launch(logits, targets, null, false);
    }

    /**
     * Overwrites logits with the gradient of the costs' sum, p·(1 + 2z·lse) − ε/V − (1 − ε)·one-hot.
     *
     * @param upstream [1] fp32: the gradient is multiplied by it; null for 1
     * @return as above
     */
    public Tensor gradients(Tensor logits, Tensor targets, @Nullable Tensor upstream) {
        return launch(logits, targets, upstream, true);
    }

    private Tensor launch(Tensor logits, Tensor targets, @Nullable Tensor upstream, boolean writesGradient) {
        ElementType type = ElementType.of(logits).orElseThrow();
        int rows = Math.toIntExact(logits.size(0));
        int classes = Math.toIntExact(logits.size(1));
        try (TensorScope scope = new TensorScope()) {
            Tensor costs = Device.of(logits).empty(ScalarType.Float, rows);
            Tensor named = targets.contiguous();
            Tensor factor = upstream == null ? null : upstream.to(ScalarType.Float);
            KernelModule.of(CrossEntropyKernel.class, "cross_entropy.cu", Map.of("SCALAR", type.word()))
                    .kernel("cross_entropy")
                    .launch()
                    .tensor(logits)
                    .tensor(named)
                    .optional(factor)
                    .tensor(costs)
                    .index(classes)
                    .number((float) labelSmoothing)
                    .number((float) zLoss)
                    .index(writesGradient ? 1 : 0)
                    .run(rows, threads(classes, type));
            return scope.keep(costs);
        }
    }

    /** One for each access of 16 bytes, and no more than a block has. */
    static int threads(int classes, ElementType type) {
        int accesses = (classes + type.lanes() - 1) / type.lanes();
        return Math.min(MAX_THREADS, (accesses + WARP - 1) / WARP * WARP);
    }
}
