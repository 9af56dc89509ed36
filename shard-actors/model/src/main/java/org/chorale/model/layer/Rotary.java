// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.chorale.model.kernel.RotaryKernel;
import org.chorale.tensor.TensorScope;

/**
 * Rotary position embedding (Su et al. 2021, arXiv 2104.09864), in Hugging Face's order: component i turns with
 * component i + H/2.
 *
 * <p>B batch, T tokens, N query heads, K key-value heads, H head width.
 *
 * @param cosine of position times frequency, in the dtype of what is turned: [T, 1, H/2], the same for all sequences,
 *     or [B, T, 1, H/2]
 * @param sine likewise
 */
public record Rotary(Tensor cosine, Tensor sine) {
    /** Turns each head by its token's position, in place: q [B, T, N, H] and k [B, T, K, H]. */
    public void turn(Tensor q, Tensor k) {
        RotaryKernel.of(q, k, cosine, sine).turn(q, k, cosine, sine);
    }

    /** The backward of {@link #turn}, in place likewise: a rotation's transpose turns back. */
    public void turnBack(Tensor dq, Tensor dk) {
        try (TensorScope scope = new TensorScope()) {
            Tensor back = sine.neg();
            RotaryKernel.of(dq, dk, cosine, back).turn(dq, dk, cosine, back);
        }
    }

    /**
     * The backward of {@link #turn}, for a rotation's transpose turns back, and of {@link SideBySide#split}: the
     * gradients of all heads of a token side by side, [B·T, (N + 2K)·H].
     *
     * @param dq [B, T, N, H], overwritten
     * @param dk [B, T, K, H], overwritten
     * @param dv [B, T, K, H]
     */
    public Tensor joinTurnedBack(Tensor dq, Tensor dk, Tensor dv) {
        return RotaryKernel.of(dq, dk, cosine, sine).joinTurnedBack(dq, dk, dv, cosine, sine);
    }
}
