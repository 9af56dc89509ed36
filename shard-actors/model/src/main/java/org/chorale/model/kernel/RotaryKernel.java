// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.kernel;

import org.bytedeco.pytorch.Tensor;

/**
 * Rotary position embedding, in Hugging Face's order: component i of a head turns with component i + H/2.
 *
 * <p>B batch, T tokens, N query heads, K key-value heads, H head width.
 */
public sealed interface RotaryKernel permits FusedRotary, AtenRotary {
    /**
     * The fused one for heads of fp32, bf16 or fp16 on a GPU whose components lie side by side, and tables of their
     * dtype; else ATen's.
     */
    static RotaryKernel of(Tensor q, Tensor k, Tensor cosine, Tensor sine) {
        return FusedRotary.takes(q, k, cosine, sine) ? FusedRotary.INSTANCE : twin();
    }

    /** The reference, which takes everything. */
    static RotaryKernel twin() {
        return AtenRotary.INSTANCE;
    }

    /**
     * Turns the heads of both by their tokens' angles, in place.
     *
     * @param q [B, T, N, H]
     * @param k [B, T, K, H]
     * @param cosine [T, 1, H/2] or [B, T, 1, H/2]
     * @param sine likewise
     */
    void turn(Tensor q, Tensor k, Tensor cosine, Tensor sine);

    /**
     * Turns q and k back, and lays all heads of a token side by side, v's as they are: [B·T, (N + 2K)·H]. What lies in
     * q and k after it means nothing.
     *
     * @param q [B, T, N, H]
     * @param k [B, T, K, H]
     * @param v [B, T, K, H]
     */
    Tensor joinTurnedBack(Tensor q, Tensor k, Tensor v, Tensor cosine, Tensor sine);
}
