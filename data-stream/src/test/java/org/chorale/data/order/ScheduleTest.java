// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.order;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

class ScheduleTest {
    @Test
    void theLastStepOfAnEpochIsShort() {
        Schedule schedule = new Schedule(10, 4);
        assertThat(schedule.stepsPerEpoch()).isEqualTo(3);
        assertThat(schedule.positions(1)).isEqualTo(new Positions(0, 0, 4));
        assertThat(schedule.positions(3)).isEqualTo(new Positions(0, 8, 2));
        assertThat(schedule.positions(4)).isEqualTo(new Positions(1, 0, 4));
        assertThat(schedule.positions(3_000_000_000L)).isEqualTo(new Positions(999_999_999, 8, 2));
    }

    @Test
    void epochsCountWhatIsDone() {
        Schedule schedule = new Schedule(10, 4);
        assertThat(schedule.epochsAfter(1)).isEqualTo(0.4);
        assertThat(schedule.epochsAfter(3)).isEqualTo(1.0);
        assertThat(schedule.epochsAfter(5)).isEqualTo(1.8);
    }

    @Test
    void aBatchThatHoldsAllExamplesMakesAnEpochAStep() {
        assertThat(new Schedule(3, 16).stepsPerEpoch()).isEqualTo(1);
        assertThat(new Schedule(16, 16).stepsPerEpoch()).isEqualTo(1);
        assertThat(new Schedule(17, 16).stepsPerEpoch()).isEqualTo(2);
        assertThat(new Schedule(3, 16).positions(5)).isEqualTo(new Positions(4, 0, 3));
    }

    @Test
    void ranksTakeDisjointPartsThatMakeUpTheStep() {
        for (int count = 0; count <= 40; count++) {
            for (int worldSize = 1; worldSize <= 9; worldSize++) {
                Positions step = new Positions(2, 100, count);
                List<Long> together = new ArrayList<>();
                for (int rank = 0; rank < worldSize; rank++) {
                    Positions part = step.slice(rank, worldSize);
                    assertThat(part.count()).isBetween(count / worldSize, count / worldSize + 1);
                    assertThat(part.epoch()).isEqualTo(2);
                    LongStream.range(part.from(), part.from() + part.count()).forEach(together::add);
                }
                assertThat(together)
                        .isEqualTo(LongStream.range(100, 100 + count).boxed().toList());
            }
        }
    }

    @Test
    void stepsCountFromOne() {
        assertThatThrownBy(() -> new Schedule(10, 4).positions(0)).hasMessageContaining("steps count from 1");
        assertThatThrownBy(() -> new Positions(0, 0, 4).slice(2, 2)).hasMessageContaining("rank 2 is not in [0, 2)");
    }
}
