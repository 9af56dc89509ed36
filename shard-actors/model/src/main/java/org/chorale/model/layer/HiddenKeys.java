// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.device.Device;
import org.jspecify.annotations.Nullable;

/**
 * Hides from queries what they must not see, in one block of the scores after the other. What it needs to know of each
 * query is computed on the device; it belongs to the innermost scope open when this is made.
 *
 * <p>B batch, T queries, S keys, K key-value heads, each shared by G query heads. Packed sequences count as one.
 */
final class HiddenKeys {
    private final Sight sight;
    private final long keyHeads;
    private final Tensor positions; // [S] int32, of the keys
    private final Tensor last; // [T, 1] int32, key that each query sees as the last one: itself
    private final @Nullable Tensor first; // [T, 1] int32, likewise the first one; null where that is the first of all

    /** For queries [B, T, N, H] and keys [B, S, K, H]. */
    HiddenKeys(Sight sight, Tensor q, Tensor k) {
        Device device = Device.of(q);
        boolean packed = sight.documents() != null;
        long queries = packed ? q.size(0) * q.size(1) : q.size(1);
        long keys = packed ? queries : k.size(1);
        this.sight = sight;
        this.keyHeads = k.size(2);
        this.positions = device.range(0, keys);
        this.last = positions.narrow(0, keys - queries, queries).unsqueeze(1);
        this.first = first(sight, positions, device, queries, keys);
    }

    private static @Nullable Tensor first(Sight sight, Tensor positions, Device device, long queries, long keys) {
        PackedDocuments documents = sight.documents();
        long back = keys - queries + 1 - Math.min(keys, sight.window());
        Tensor inWindow = sight.limited() ? device.range(back, back + queries) : null;
        if (documents == null) {
            return inWindow == null ? null : inWindow.unsqueeze(1);
        }
        Tensor begins = documents.begins(positions);
        return (inWindow == null ? begins : begins.maximum(inWindow)).unsqueeze(1);
    }

    /**
     * Lowers the scores of what is hidden.
     *
     * @param scores of the block, [heads, queries, G, keys]
     */
    void in(Tensor scores, ScoreBlock block) {
        Tensor mask = sight.mask();
        if (mask != null) {
            addMask(scores, mask, block);
        }
        if (sight.ordered()) {
            Tensor keys = positions.narrow(0, block.key(), block.keys());
            Tensor hidden = keys.gt(last.narrow(0, block.query(), block.queries())); // [queries, keys]
            if (first != null) {
                hidden.logical_or_(keys.lt(first.narrow(0, block.query(), block.queries())));
            }
            scores.masked_fill_(hidden.unsqueeze(1), Scalars.of(Sight.HIDDEN));
        }
    }

    /** @param mask [B or 1, 1, T, S] */
    private void addMask(Tensor scores, Tensor mask, ScoreBlock block) {
        long sequences = Math.max(1, block.heads() / keyHeads);
        Tensor ofSequences = mask.size(0) == 1 ? mask : mask.narrow(0, block.head() / keyHeads, sequences);
        Tensor seen = ofSequences.narrow(2, block.query(), block.queries()).narrow(3, block.key(), block.keys());
        scores.unflatten(0, sequences, block.heads() / sequences).add_(seen.unsqueeze(3));
    }
}
