// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.EnumMap;
import java.util.Map;
import java.util.Optional;
import org.chorale.proto.wire.RunEnded.Outcome;
import org.junit.jupiter.api.Test;

class RunPlanSimulationTest {
    private static final int SEEDS = 800;

    @Test
    void whateverHappensARunEndsWithTheMetricsOfAnUndisturbedOne() {
        Map<Outcome, Integer> outcomes = new EnumMap<>(Outcome.class);
        int early = 0;
        int best = 0;
        for (long seed = 0; seed < SEEDS; seed++) {
            SimulatedRun run = new SimulatedRun(seed);
            Effect.End end = run.runToTheEnd();
            outcomes.merge(end.outcome(), 1, Integer::sum);
            if (end.outcome() == Outcome.FINISHED) {
                assertThat(run.metrics()).as("seed %d", seed).isEqualTo(run.undisturbedMetrics());
                assertThat(run.newestCheckpoint()).as("seed %d", seed).isEqualTo(run.lastStep());
                assertThat(run.exported())
                        .as("seed %d", seed)
                        .isEqualTo(run.resultingStep())
                        .isPresent();
                early += run.lastStep() < run.total() ? 1 : 0;
                best += run.resultingStep().equals(Optional.of(run.lastStep())) ? 0 : 1;
            } else if (run.newestCheckpoint() == run.lastStep()) {
                assertThat(run.resultingStep()).as("seed %d", seed).isEmpty();
            } else {
                assertThat(run.tooManyNotFinite(end.step())).as("seed %d", seed).isTrue();
                assertThat(run.newestCheckpoint()).as("seed %d", seed).isLessThan(end.step());
            }
        }
        assertThat(outcomes.get(Outcome.FINISHED)).isGreaterThan(SEEDS / 2);
        assertThat(outcomes.get(Outcome.FAILED)).isGreaterThan(SEEDS / 50);
        assertThat(early).as("runs that ended early").isGreaterThan(SEEDS / 50);
        assertThat(best).as("runs whose last model was not the best").isGreaterThan(SEEDS / 50);
    }
}
