// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * What every block of a forward pass shares: how its rows make up sequences, who sees whom, and what is dropped.
 *
 * @param sequences B
 * @param tokens T of each sequence; a block's rows are the B·T tokens, sequence by sequence
 * @param rotaries the turn of each position, by each of the model's rotary embeddings
 * @param mask [B, 1, T, T], added to the attention scores; null where the attention is causal and nothing else, which
 *     is enough for sequences that are padded on the right: no token that counts ever sees the padding
 * @param documents where sequences are packed: each sees itself alone, and rows outside of all see nothing; null where
 *     a sequence is one document
 * @param dropout null in an evaluation, where nothing is dropped
 * @param balance what the routers of mixtures do beside their work; null for nothing
 */
public record SequenceContext(
        long sequences,
        long tokens,
        List<Rotary> rotaries,
        @Nullable Tensor mask,
        @Nullable PackedDocuments documents,
        @Nullable DropoutKeys dropout,
        @Nullable RouterBalance balance) {
    public SequenceContext {
        if (mask != null && documents != null) {
            throw new IllegalArgumentException("packed sequences have no mask: their documents say who sees whom");
        }
        rotaries = List.copyOf(rotaries);
    }

    /** One document in each sequence, and nothing dropped. */
    public SequenceContext(long sequences, long tokens, List<Rotary> rotaries, @Nullable Tensor mask) {
        this(sequences, tokens, rotaries, mask, null, null, null);
    }

    /** The turn of each position. */
    Rotary rotary(int number) {
        return rotaries.get(number);
    }

    /** Hands what was computed for it to the scope around this one. */
    public SequenceContext keptBy(TensorScope scope) {
        rotaries.forEach(rotary -> {
            scope.keep(rotary.cosine());
            scope.keep(rotary.sine());
        });
        if (mask != null) {
            scope.keep(mask);
        }
        if (documents != null) {
            scope.keep(documents.offsets());
        }
        return this;
    }

    /** The same forward pass in training, where layers that drop do so by these keys. */
    public SequenceContext withDropout(DropoutKeys keys) {
        return new SequenceContext(sequences, tokens, rotaries, mask, documents, keys, balance);
    }

    /** The same forward pass, or its backward, in which routers are balanced. */
    public SequenceContext withBalance(RouterBalance ofRouters) {
        return new SequenceContext(sequences, tokens, rotaries, mask, documents, dropout, ofRouters);
    }
}
