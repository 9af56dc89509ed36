// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Optional;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.FeederCommand;
import org.chorale.proto.message.WorkerCommand.Abandon;
import org.chorale.proto.message.WorkerCommand.DescribeModel;
import org.chorale.proto.message.WorkerCommand.TakeShard;
import org.chorale.proto.wire.ShardPlan;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

/** What a worker makes of orders that come late, twice, or while its shard leaves. */
final class TenureTest {
    private static final ActorTestKit KIT = ActorTestKit.create();
    private static final TestProbe<CoordinatorCommand> COORDINATOR = KIT.createTestProbe();
    private static final TestProbe<FeederCommand> FEEDER = KIT.createTestProbe();

    @AfterAll
    static void stop() {
        KIT.shutdownTestKit();
    }

    @Test
    void aShardServesTheGenerationThatItWasLoadedForAndNoOther() {
        Tenure told = Tenure.NONE.takes(take(3));
        Tenure loaded = told.loading();

        assertThat(told.serving(3)).isEmpty();
        assertThat(loaded.serving(3)).contains(take(3));
        assertThat(loaded.serving(2)).isEmpty();
        assertThat(loaded.leaving().serving(3)).isEmpty();
    }

    @Test
    void anOrderOfAnOlderGenerationIsStaleAndOneOfTheSameIsNot() {
        Tenure heardOfIt = Tenure.NONE.hears(describe(4));

        assertThat(heardOfIt.isStale(take(3))).isTrue();
        assertThat(heardOfIt.isStale(take(4))).isFalse();
    }

    @Test
    void aQuestionOfAnOlderGenerationLeavesTheNewestKnown() {
        assertThat(Tenure.NONE.hears(describe(4)).hears(describe(2)).generation())
                .isEqualTo(4);
    }

    @Test
    void anAbandonThatWasRepeatedDoesNotEndWhatHasBegunSince() {
        Tenure begun = Tenure.NONE.abandons(new Abandon(5)).takes(take(5)).loading();

        assertThat(begun.isStale(new Abandon(5))).isTrue();
        assertThat(begun.isStale(new Abandon(4))).isTrue();
        assertThat(begun.isStale(new Abandon(6))).isFalse();
    }

    @Test
    void aFreshShardHasNothingToLeaveAndOneThatLoadedOwesTheNews() {
        Tenure loaded = Tenure.NONE.takes(take(3)).loading();

        assertThat(Tenure.NONE.abandons(new Abandon(4)).owesAbandoned()).isFalse();
        assertThat(loaded.abandons(new Abandon(4)).owesAbandoned()).isTrue();
    }

    @Test
    void whatAShardIsToldWhileItLeavesWaitsForTheNext() {
        Tenure leaving = Tenure.NONE
                .takes(take(3))
                .loading()
                .abandons(new Abandon(4))
                .leaving()
                .hears(describe(4))
                .takes(take(4));

        assertThat(leaving.asked()).contains(describe(4));
        assertThat(leaving.next()).contains(take(4));
        assertThat(leaving.owesAbandoned()).isTrue();
        Tenure renewed = leaving.renewed();
        assertThat(renewed.isFresh()).isTrue();
        assertThat(renewed.asked()).isEmpty();
        assertThat(renewed.owesAbandoned()).isFalse();
    }

    @Test
    void anAbandonedOrderIsNotTakenUpByTheNextShard() {
        Tenure given = Tenure.NONE.takes(take(3)).loading().leaving().abandons(new Abandon(4));

        assertThat(given.next()).isEmpty();
        assertThat(given.rank()).isEqualTo(1); // by which the worker is still known
    }

    @Test
    void aShardThatEndedByItselfIsFollowedByOneThatWaits() {
        Tenure loaded = Tenure.NONE.takes(take(3)).loading();

        assertThat(loaded.next()).isEmpty();
        assertThat(loaded.renewed().isFresh()).isTrue();
        assertThat(loaded.renewed().serving(3)).isEmpty();
    }

    @Test
    void aQuestionToAShardThatListensDoesNotWait() {
        assertThat(Tenure.NONE.hears(describe(1)).asked()).isEmpty();
    }

    private static DescribeModel describe(long generation) {
        return new DescribeModel(generation, "", COORDINATOR.ref());
    }

    private static TakeShard take(long generation) {
        return new TakeShard(
                generation,
                1,
                ShardPlan.getDefaultInstance(),
                "",
                Optional.empty(),
                10,
                "",
                FEEDER.ref(),
                COORDINATOR.ref());
    }
}
