// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.EnumMap;
import java.util.Map;
import java.util.Optional;
import org.chorale.proto.wire.RunEnded.Outcome;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class RunPlanSimulationTest {
    @Test
    void whateverHappensARunEndsWithTheMetricsOfAnUndisturbedOne() {
        simulate(0, 1_000);
    }

    @Test
    @Tag("full")
    void whateverHappensInTenThousandRuns() {
        simulate(1_000, 10_000);
    }

    private static void simulate(long firstSeed, int runs) {
        Map<Outcome, Integer> outcomes = new EnumMap<>(Outcome.class);
        int early = 0;
        int best = 0;
        int recoveries = 0;
        int broken = 0;
        for (long seed = firstSeed; seed < firstSeed + runs; seed++) {
            SimulatedRun run = new SimulatedRun(seed);
            Effect.End end = toTheEnd(run, seed);
            SimulatedFate fate = run.fate();
            outcomes.merge(end.outcome(), 1, Integer::sum);
            recoveries += run.recoveries();
            if (end.outcome() == Outcome.FINISHED) {
                assertThat(run.disk().metrics).as("seed %d", seed).isEqualTo(fate.undisturbedMetrics());
                assertThat(fate.needsBrokenRow()).as("seed %d", seed).isFalse();
                assertThat(run.disk().newestCheckpoint()).as("seed %d", seed).isEqualTo(fate.lastStep());
                assertThat(run.disk().exported)
                        .as("seed %d", seed)
                        .isEqualTo(fate.resultingStep())
                        .isPresent();
                early += fate.lastStep() < fate.total() ? 1 : 0;
                best += fate.resultingStep().equals(Optional.of(fate.lastStep())) ? 0 : 1;
            } else if (end.fault().equals(Optional.of(SimulatedWorker.BROKEN_ROW))) {
                assertThat(fate.needsBrokenRow()).as("seed %d", seed).isTrue();
                assertThat(end.step()).as("seed %d", seed).isLessThanOrEqualTo(fate.lastReadableStep());
                broken++;
            } else if (run.disk().newestCheckpoint() == fate.lastStep()) {
                assertThat(fate.resultingStep()).as("seed %d", seed).isEmpty();
            } else {
                assertThat(fate.tooManyNotFinite(end.step()))
                        .as("seed %d", seed)
                        .isTrue();
                assertThat(run.disk().newestCheckpoint()).as("seed %d", seed).isLessThan(end.step());
            }
        }
        assertThat(outcomes.get(Outcome.FINISHED)).isGreaterThan(runs / 2);
        assertThat(outcomes.get(Outcome.FAILED)).isGreaterThan(runs / 50);
        assertThat(early).as("runs that ended early").isGreaterThan(runs / 50);
        assertThat(best).as("runs whose last model was not the best").isGreaterThan(runs / 50);
        assertThat(broken).as("runs that come to a row that cannot be read").isGreaterThan(runs / 20);
        assertThat(recoveries).as("recoveries").isGreaterThan(runs / 2);
    }

    private static Effect.End toTheEnd(SimulatedRun run, long seed) {
        try {
            return run.runToTheEnd();
        } catch (AssertionError | RuntimeException e) {
            throw new AssertionError("seed " + seed, e);
        }
    }
}
