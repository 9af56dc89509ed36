// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.chorale.proto.fault.FaultCode;
import org.junit.jupiter.api.Test;

/** Who reads the data for a team, and what becomes of the run when a feeder is lost. */
class RunPlanFeederTest extends PlannedTeam {
    @Test
    void theFirstFeederIndexesForTheOthersAndAllMustSeeTheSame() {
        state = RunPlan.start(Runs.terms("parallel { workers = 2, feeders = 2 }"));
        List.of("a/0", "b/0").forEach(place -> hear(joined(place, 1)));
        List.of("a", "b").forEach(place -> hear(new RunSignal.FeederJoined(place, 1)));
        hear(new RunSignal.GenerationClaimed(generation, Optional.empty(), false));
        assertThat(effects)
                .contains(new Effect.DescribeData(generation, 0, "a"))
                .hasSize(2);
        hear(new RunSignal.DataDescribed(generation, 0, Runs.DATA));
        assertThat(effects).containsExactly(new Effect.DescribeData(generation, 1, "b"));
        hear(new RunSignal.ModelDescribed(generation, Runs.MODEL));
        hear(new RunSignal.DataDescribed(generation, 1, new DataFacts(10, 5, 0, 4, 100, "other")));
        assertThat(fault().code()).isEqualTo(FaultCode.DATA_CHANGED);
        assertThat(fault().message()).contains("a: 10 examples, SHA-256 abc").contains("b: 10 examples, SHA-256 other");
    }

    @Test
    void aRankIsFedByAFeederOfItsOwnNodeWhereThereIsOne() {
        List<Worker> workers = List.of(worker("a/0", 1), worker("a/1", 1), worker("b/0", 1), worker("c/0", 1));
        Team team = new Team(workers, List.of("a/feeder-0", "c/feeder-0", "c/feeder-1"));
        assertThat(IntStream.range(0, 4).mapToObj(team::feederOf))
                .containsExactly("a/feeder-0", "a/feeder-0", "c/feeder-1", "c/feeder-1");
    }

    @Test
    void aLostFeederIsReplacedByOneThatLooksForItself() {
        train3();
        hear(new RunSignal.FeederLost("a", 1, "its node left"));
        assertThat(state.awaited()).startsWith("a feeder to join");
        PLACES.forEach(this::abandoned);
        hear(new RunSignal.FeederJoined("b", 1));
        hear(new RunSignal.GenerationClaimed(++generation, Optional.empty(), false));
        assertThat(effects).containsExactly(new Effect.DescribeData(generation, 0, "b"));
        hear(new RunSignal.DataDescribed(generation, 0, Runs.DATA));
        assertThat(state).isInstanceOf(RunState.Loading.class);
    }

    @Test
    void lateNewsOfAFeederThatWasReplacedInItsPlaceChangesNothing() {
        train3();
        hear(new RunSignal.FeederJoined("a", 2)); // says by being there that the first is gone
        assertThat(((Effect.Announce) effects.get(1)).event().getRecovery().getReason())
                .isEqualTo("another came in its place");
        PLACES.forEach(this::abandoned);
        hear(new RunSignal.GenerationClaimed(++generation, Optional.empty(), false));
        RunState before = state;
        for (RunSignal late : List.of(
                new RunSignal.FeederLost("a", 1, "its actor has stopped"), new RunSignal.FeederJoined("a", 1))) {
            hear(late);
            assertThat(effects).as(late.toString()).isEmpty();
            assertThat(state).as(late.toString()).isEqualTo(before);
        }
        hear(new RunSignal.FeederLost("a", 2, "its actor has stopped"));
        assertThat(state).isInstanceOf(RunState.Gathering.class);
    }
}
