// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.kernel;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The shares that queries have of the keys that they see, softmax(s + mask) of a block of scores s, and their gradient.
 * Where scores are capped, s = cap · tanh(x), with x = q·k · scale / cap; else s = x = q·k · scale.
 *
 * <p>A block has heads, queries, G query heads that share a key's, and keys.
 */
public sealed interface SharesKernel permits FusedShares, AtenShares {
    /** Bytes between the beginnings of any two rows are a multiple of this. */
    int ROW_BYTES = 32;

    /**
     * What a backward gives, in the dtype of the shares.
     *
     * @param shares [heads, queries·G, keys], those of the forward
     * @param dProducts the gradient of q·k · scale, likewise
     */
    record Gradients(Tensor shares, Tensor dProducts) {}

    /**
     * The fused one for queries of fp32, bf16 or fp16 on a GPU; else ATen's.
     *
     * @param cap 0 for none
     */
    static SharesKernel of(Tensor q, double cap) {
        return FusedShares.takes(q) ? FusedShares.like(q, cap) : twin(cap);
    }

    /** The reference, which takes everything and gives the dtype that it is given. */
    static SharesKernel twin(double cap) {
        return new AtenShares(cap);
    }

    /** {@link #backwardBlocks} on a GPU, for queries of a dtype. */
    static int backwardBlocks(ScalarType type) {
        return type == ScalarType.Double ? AtenShares.BACKWARD_BLOCKS : FusedShares.BACKWARD_BLOCKS;
    }

    /** How many times a block's scores are in memory in a forward, counting what it is given. */
    int forwardBlocks();

    /** Likewise in a backward. */
    int backwardBlocks();

    /**
     * Shares, which may take the memory of the scores.
     *
     * @param x [heads, queries·G, keys], fp32 at least; overwritten. Its rows lie in themselves side by side and
     *     {@link #ROW_BYTES} or a multiple of them apart.
     */
    Tensor forward(Tensor x, long queries, SeenKeys seen);

    /**
     * Finds the shares again, and takes their gradient to the products; may take the memory of both.
     *
     * @param x as in the forward; overwritten
     * @param dShares the gradient of the shares, likewise
     */
    Gradients backward(Tensor x, Tensor dShares, long queries, SeenKeys seen);
}
