// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.chorale.model.kernel.SeenKeys;
import org.chorale.tensor.device.Device;
import org.jspecify.annotations.Nullable;

/**
 * Which keys each query sees, one block of scores after the other. It is computed on the device, and belongs to the innermost
 * scope open when this is made.
 *
 * <p>B batch, T queries, S keys, K key-value heads, each shared by G query heads. Packed sequences count as one.
 */
final class QueryLimits {
    private final long keyHeads;
    private final @Nullable Tensor first; // [T] int32, key that each query sees as the first one; null for that of all
    private final @Nullable Tensor last; // [T] int32, likewise the last one: itself; null where order hides nothing
    private final @Nullable Tensor mask; // [B, 1, T, S]

    /** For queries [B, T, N, H] and keys [B, S, K, H]. */
    QueryLimits(Sight sight, Tensor q, Tensor k) {
        this.keyHeads = k.size(2);
        Tensor added = sight.mask();
        this.mask = added == null ? null : added.expand(q.size(0), 1, q.size(1), k.size(1));
        if (sight.ordered()) {
            Device device = Device.of(q);
            boolean packed = sight.documents() != null;
            long queries = packed ? q.size(0) * q.size(1) : q.size(1);
            long keys = packed ? queries : k.size(1);
            this.last = device.range(keys - queries, keys);
            this.first = first(sight, last, device, queries, keys);
        } else {
            this.last = null;
            this.first = null;
        }
    }

    private static @Nullable Tensor first(Sight sight, Tensor own, Device device, long queries, long keys) {
        PackedDocuments documents = sight.documents();
        long back = keys - queries + 1 - Math.min(keys, sight.window());
        Tensor inWindow = sight.limited() ? device.range(back, back + queries) : null;
        if (documents == null) {
            return inWindow;
        }
        Tensor begins = documents.begins(own);
        return inWindow == null ? begins : begins.maximum(inWindow);
    }

    /** For the queries of a block. */
    SeenKeys of(ScoreBlock block) {
        return new SeenKeys(block.key(), ofQueries(first, block), ofQueries(last, block), mask(block));
    }

    private static @Nullable Tensor ofQueries(@Nullable Tensor keys, ScoreBlock block) {
        return keys == null ? null : keys.narrow(0, block.query(), block.queries());
    }

    /** [sequences, 1, queries, keys] */
    private @Nullable Tensor mask(ScoreBlock block) {
        if (mask == null) {
            return null;
        }
        long sequences = Math.max(1, block.heads() / keyHeads);
        return mask.narrow(0, block.head() / keyHeads, sequences)
                .narrow(2, block.query(), block.queries())
                .narrow(3, block.key(), block.keys());
    }
}
