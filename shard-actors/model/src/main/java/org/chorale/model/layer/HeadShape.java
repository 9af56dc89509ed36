// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * The heads of an attention layer, and how they lie in a row.
 *
 * <p>B batch, T tokens, R = B·T rows, N query heads, K key-value heads, H head width.
 *
 * @param heads N
 * @param keyValueHeads K, each shared by N/K query heads
 * @param width H
 * @param turned components of a query or key that rotary embedding turns, from the first; at most H
 * @param rotary which of the model's rotary embeddings that is
 * @param interleaved whether a row is q₀ k₀ v₀ q₁ k₁ v₁ … (N = K then) and not all queries, all keys, all values
 */
public record HeadShape(long heads, long keyValueHeads, long width, long turned, int rotary, boolean interleaved) {
    private static final int PARTS = 3;

    public HeadShape {
        if (interleaved && heads != keyValueHeads) {
            throw new IllegalArgumentException(
                    "%d query heads, %d key-value heads: they cannot alternate".formatted(heads, keyValueHeads));
        }
    }

    /** All of each head is turned. */
    public static HeadShape of(long heads, long keyValueHeads, long width) {
        return new HeadShape(heads, keyValueHeads, width, width, 0, false);
    }

    /** [R, (N + 2K)·H] → query [B, T, N, H], key and value [B, T, K, H]: views. */
    Tensor[] split(Tensor rows, SequenceContext context) {
        Tensor[] parts = new Tensor[PARTS];
        if (interleaved) {
            Tensor heads = rows.view(context.sequences(), context.tokens(), this.heads, PARTS, width);
            for (int i = 0; i < PARTS; i++) {
                parts[i] = heads.select(PARTS, i);
            }
            return parts;
        }
        long[] widths = {heads * width, keyValueHeads * width, keyValueHeads * width};
        long from = 0;
        for (int i = 0; i < PARTS; i++) {
            parts[i] = rows.narrow(1, from, widths[i]).view(context.sequences(), context.tokens(), -1, width);
            from += widths[i];
        }
        return parts;
    }

    /** The gradients of what {@link #split} gave → that of what it was given. */
    Tensor join(Tensor dq, Tensor dk, Tensor dv) {
        if (interleaved) {
            return torch.stack(new TensorVector(dq, dk, dv), PARTS)
                    .flatten(2, -1)
                    .flatten(0, 1);
        }
        return torch.cat(new TensorVector(row(dq), row(dk), row(dv)), 1);
    }

    /** [B, T, heads, H] → [R, heads·H] */
    static Tensor row(Tensor heads) {
        return heads.reshape(heads.size(0) * heads.size(1), heads.size(2) * heads.size(3));
    }

    boolean turnsAll() {
        return turned == width;
    }

    /** The components of [B, T, heads, H] that are turned: a view. */
    Tensor turned(Tensor heads) {
        return turnsAll() ? heads : heads.narrow(-1, 0, turned);
    }
}
