// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.kernel.SharesKernel;
import org.chorale.tensor.device.Device;

/**
 * Memory for the scores of one block after the other, or for their gradients. Rows begin where GPUs read them in whole
 * accesses, whatever the number of keys: for other rows cuBLAS has no kernels that are fast.
 */
final class ScoreMemory {
    private final Tensor memory;
    private final long group;

    private ScoreMemory(Tensor memory, long group) {
        this.memory = memory;
        this.group = group;
    }

    /**
     * Enough for the largest of the blocks; it belongs to the innermost open scope.
     *
     * @param q what the scores are made of: theirs are of its dtype, but at least fp32
     * @param group query heads that share keys
     */
    static ScoreMemory of(List<ScoreBlock> blocks, Tensor q, long group) {
        ScalarType type = Wide.is(q) ? q.scalar_type().intern() : ScalarType.Float;
        long largest = blocks.stream()
                .mapToLong(block -> block.heads() * block.queries() * group * stride(block.keys()))
                .max()
                .orElse(0);
        return new ScoreMemory(Device.of(q).empty(type, largest), group);
    }

    /** [heads, queries·G, keys]; what lies there is that of another block. */
    Tensor of(ScoreBlock block) {
        long rows = block.queries() * group;
        long stride = stride(block.keys());
        return memory.narrow(0, 0, block.heads() * rows * stride)
                .view(block.heads(), rows, stride)
                .narrow(2, 0, block.keys());
    }

    /** Elements from a row to the next one, of any dtype that scores have. */
    static long stride(long keys) {
        long lanes = SharesKernel.ROW_BYTES / Float.BYTES;
        return (keys + lanes - 1) / lanes * lanes;
    }
}
