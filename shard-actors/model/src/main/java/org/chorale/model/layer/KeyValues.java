// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * Keys and values of one layer for the tokens of one sequence so far, so that a new token is compared with them without
 * computing them again.
 *
 * <p>K key-value heads, H head width. The memory grows in blocks.
 */
public final class KeyValues implements AutoCloseable {
    private static final long BLOCK_TOKENS = 256;

    private HeldTensors owner = new HeldTensors();
    private @Nullable Tensor keys; // [1, room, K, H], turned by their positions
    private @Nullable Tensor values; // [1, room, K, H]
    private long tokens;

    /** Tokens that are cached. */
    public long tokens() {
        return tokens;
    }

    /** Forgets all but the first tokens; the memory stays. */
    void truncate(long remaining) {
        if (remaining > tokens) {
            throw new IllegalArgumentException("%d of %d cached tokens".formatted(remaining, tokens));
        }
        tokens = remaining;
    }

    /** Adds the keys and values of the next tokens, [1, t, K, H] each. */
    void append(Tensor newKeys, Tensor newValues) {
        long added = newKeys.size(1);
        try (TensorScope scope = new TensorScope()) {
            ensureRoom(tokens + added, newKeys);
            room(keys).narrow(1, tokens, added).copy_(newKeys);
            room(values).narrow(1, tokens, added).copy_(newValues);
        }
        tokens += added;
    }

    /** [1, tokens, K, H] */
    Tensor keys() {
        return room(keys).narrow(1, 0, tokens);
    }

    /** [1, tokens, K, H] */
    Tensor values() {
        return room(values).narrow(1, 0, tokens);
    }

    @Override
    public void close() {
        owner.close();
    }

    private void ensureRoom(long needed, Tensor like) {
        if (keys != null && keys.size(1) >= needed) {
            return;
        }
        long room = Math.max(needed, 2 * tokens) + BLOCK_TOKENS - 1;
        room -= room % BLOCK_TOKENS;
        HeldTensors newOwner = new HeldTensors();
        Tensor newKeys = newOwner.hold(grown(keys, room, like));
        Tensor newValues = newOwner.hold(grown(values, room, like));
        owner.close();
        owner = newOwner;
        keys = newKeys;
        values = newValues;
    }

    private Tensor grown(@Nullable Tensor old, long room, Tensor like) {
        Tensor grown = torch.empty(new long[] {1, room, like.size(2), like.size(3)}, like.options(), null);
        if (old != null) {
            grown.narrow(1, 0, tokens).copy_(old.narrow(1, 0, tokens));
        }
        return grown;
    }

    private static Tensor room(@Nullable Tensor tensor) {
        if (tensor == null) {
            throw new IllegalStateException("nothing is cached yet");
        }
        return tensor;
    }
}
