// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.agent;

import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import org.apache.pekko.actor.typed.ActorRef;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.FeederCommand;
import org.chorale.proto.message.KeeperCommand;

/** What a node has for one run: keepers of its workers' places by slot, and feeders by place. */
final class Engagement {
    private final ActorRef<CoordinatorCommand> coordinator;
    private final Map<Integer, ActorRef<KeeperCommand>> keepers = new HashMap<>();
    private final Map<String, ActorRef<FeederCommand>> feeders = new HashMap<>();
    private final Map<String, Integer> begun = new HashMap<>(); // feeders, by place
    private boolean ending;

    Engagement(ActorRef<CoordinatorCommand> coordinator) {
        this.coordinator = coordinator;
    }

    ActorRef<CoordinatorCommand> coordinator() {
        return coordinator;
    }

    boolean hasWorker(int slot) {
        return keepers.containsKey(slot);
    }

    void add(int slot, ActorRef<KeeperCommand> keeper) {
        keepers.put(slot, keeper);
    }

    boolean hasFeeder(String place) {
        return feeders.containsKey(place);
    }

    /** The incarnation of the feeder that comes next in a place. */
    int nextFeeder(String place) {
        return begun.merge(place, 1, Integer::sum);
    }

    void add(String place, ActorRef<FeederCommand> feeder) {
        feeders.put(place, feeder);
    }

    /** Nothing is started for the run any more. */
    void end() {
        ending = true;
    }

    boolean isEnding() {
        return ending;
    }

    Collection<ActorRef<KeeperCommand>> keepers() {
        return keepers.values();
    }

    Collection<ActorRef<FeederCommand>> feeders() {
        return feeders.values();
    }

    /** That an actor is gone. */
    void remove(ActorRef<?> actor) {
        keepers.values().removeIf(actor::equals);
        feeders.values().removeIf(actor::equals);
    }

    boolean isEmpty() {
        return keepers.isEmpty() && feeders.isEmpty();
    }
}
