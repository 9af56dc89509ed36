// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.chorale.model.layer.FlashAttention.Attended;

/**
 * One way to compute softmax(q kᵀ/√H + mask) v and its gradients.
 *
 * <p>B batch, T queries, S keys, N query heads, K key-value heads, which N is a multiple of, H head width. All results
 * belong to the scope around the call.
 */
interface AttentionKernel {
    /** q [B, T, N, H]; k and v [B, S, K, H] */
    Attended forward(Tensor q, Tensor k, Tensor v, Sight sight);

    /**
     * @param dMixed [B, T, N, H]
     * @param attended what the same kernel's forward gave
     * @return the gradients of q, k and v, in their shapes and their dtype
     */
    Tensor[] backward(Tensor dMixed, Tensor q, Tensor k, Tensor v, Attended attended, Sight sight);

    /** [B, T, heads, H] ↔ [B, heads, T, H] */
    static Tensor headsFirst(Tensor x) {
        return x.transpose(1, 2);
    }
}
