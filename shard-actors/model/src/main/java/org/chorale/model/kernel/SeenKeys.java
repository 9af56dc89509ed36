// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.kernel;

import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Which keys of a block of scores its queries see, all by themselves, the block's keys being numbered from one of theirs.
 *
 * @param firstKey number of the block's first key
 * @param first [queries] int32, number of the first key that each query sees; null where none is too early
 * @param last [queries] int32, likewise the last one; null where none is too late or too early
 * @param mask [sequences, 1, queries, keys], added to scores that are not hidden otherwise: the heads of a sequence have it
 *     in common. A query that sees nothing under it sees everything alike. Without one each query sees a key.
 */
public record SeenKeys(
        long firstKey,
        @Nullable Tensor first,
        @Nullable Tensor last,
        @Nullable Tensor mask) {
    /** Score of a key that is not seen. Finite, so that those of a query that sees nothing are alike. */
    public static final double HIDDEN = -Float.MAX_VALUE;
}
