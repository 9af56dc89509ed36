// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * What every block of a forward pass shares: how its rows make up sequences, who sees whom, and what is dropped.
 *
 * @param sequences B
 * @param tokens T of each sequence; a block's rows are the B·T tokens, sequence by sequence
 * @param rotary the turn of each position
 * @param mask [B, 1, T, T], added to the attention scores; null where the attention is causal and nothing else, which
 *     is enough for sequences that are padded on the right: no token that counts ever sees the padding
 * @param documents where sequences are packed: each sees itself alone, and rows outside of all see nothing; null where
 *     a sequence is one document
 * @param dropout null in an evaluation, where nothing is dropped
 */
public record SequenceContext(
        long sequences,
        long tokens,
        Rotary rotary,
        @Nullable Tensor mask,
        @Nullable PackedDocuments documents,
        @Nullable DropoutKeys dropout) {
    public SequenceContext {
        if (mask != null && documents != null) {
            throw new IllegalArgumentException("packed sequences have no mask: their documents say who sees whom");
        }
    }

    /** One document in each sequence, and nothing dropped. */
    public SequenceContext(long sequences, long tokens, Rotary rotary, @Nullable Tensor mask) {
        this(sequences, tokens, rotary, mask, null, null);
    }

    /** The same forward pass in training, where layers that drop do so by these keys. */
    public SequenceContext withDropout(DropoutKeys keys) {
        return new SequenceContext(sequences, tokens, rotary, mask, documents, keys);
    }
}
