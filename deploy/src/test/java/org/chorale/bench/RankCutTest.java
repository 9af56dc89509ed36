// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.chorale.training.shard.Precision;
import org.chorale.training.shard.UnitLayout;
import org.chorale.training.shard.UnitLayout.Group;
import org.chorale.training.shard.UnitLayout.Segment;
import org.junit.jupiter.api.Test;

/** How a bench cuts a model without a coordinator. */
final class RankCutTest {
    private static final UnitLayout WHOLE = new UnitLayout(
            "unit",
            List.of(new Group(true, Precision.BF16, false, 1000, List.of(new Segment("weight", List.of(1000L), 0)))));

    @Test
    void partsAreAlignedAlikeAndCoverTheUnit() {
        Group first = RankCut.of(WHOLE, 0, 3).groups().get(0);
        Group second = RankCut.of(WHOLE, 1, 3).groups().get(0);
        Group last = RankCut.of(WHOLE, 2, 3).groups().get(0);
        assertThat(List.of(first.from(), first.until())).containsExactly(0L, 384L);
        assertThat(List.of(second.from(), second.until())).containsExactly(384L, 768L);
        assertThat(List.of(last.from(), last.until())).containsExactly(768L, 1152L);
        assertThat(List.of(first.elements(), second.elements(), last.elements()))
                .containsOnly(1152L);
    }

    @Test
    void oneRankHoldsTheUnitAsItIs() {
        assertThat(RankCut.of(WHOLE, 0, 1)).isEqualTo(WHOLE);
    }
}
