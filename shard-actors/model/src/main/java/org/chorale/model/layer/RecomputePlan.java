// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

/**
 * What each block of a model recomputes.
 *
 * <p>The most is recomputed at the bottom and the least at the top. The backward begins at the top, when all blocks
 * hold what they keep: a block there that has to compute something again needs memory for it on top of all that. One at
 * the bottom takes for it what the blocks above have given back.
 *
 * @param fullUntil blocks from the bottom that recompute everything
 * @param selectiveUntil end of those that recompute selectively, above them; the others recompute nothing
 */
public record RecomputePlan(int fullUntil, int selectiveUntil) {
    /** Nothing is recomputed. */
    public static final RecomputePlan NONE = new RecomputePlan(0, 0);

    public RecomputePlan {
        if (fullUntil < 0 || selectiveUntil < fullUntil) {
            throw new IllegalArgumentException("blocks [0, %d) full and up to %d selective: those are no counts"
                    .formatted(fullUntil, selectiveUntil));
        }
    }

    /** The same for every block. */
    public static RecomputePlan every(Recompute recompute) {
        return switch (recompute) {
            case NONE -> NONE;
            case SELECTIVE -> new RecomputePlan(0, Integer.MAX_VALUE);
            case FULL -> new RecomputePlan(Integer.MAX_VALUE, Integer.MAX_VALUE);
        };
    }

    /** @param block from the bottom, from 0 */
    public Recompute of(int block) {
        if (block < fullUntil) {
            return Recompute.FULL;
        }
        return block < selectiveUntil ? Recompute.SELECTIVE : Recompute.NONE;
    }
}
