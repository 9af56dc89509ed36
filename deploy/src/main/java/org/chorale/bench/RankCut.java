// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import org.chorale.tensor.collective.Collectives;
import org.chorale.training.shard.UnitLayout;
import org.chorale.training.shard.UnitLayout.Group;

/** Cuts a unit evenly over the ranks of a group, as the coordinator does it. */
final class RankCut {
    /** Elements that a part is a multiple of: 256 bytes of the smallest dtype. */
    private static final long ALIGNMENT = 128;

    private RankCut() {}

    /** The part of the rank that asks. */
    static UnitLayout of(UnitLayout whole, Collectives ranks) {
        return of(whole, ranks.rank(), ranks.worldSize());
    }

    /** The part of one of so many ranks. */
    static UnitLayout of(UnitLayout whole, int rank, int parts) {
        return new UnitLayout(
                whole.name(),
                whole.groups().stream().map(group -> part(group, rank, parts)).toList());
    }

    private static Group part(Group whole, int rank, int parts) {
        if (parts == 1) {
            return whole;
        }
        long unit = ALIGNMENT * parts;
        long held = (whole.elements() + unit - 1) / unit * ALIGNMENT;
        return whole.cut(held * parts, held * rank, held * (rank + 1));
    }
}
