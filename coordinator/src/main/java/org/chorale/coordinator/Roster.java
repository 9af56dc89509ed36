// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator;

import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.apache.pekko.actor.typed.ActorRef;
import org.chorale.coordinator.plan.WorkerId;
import org.chorale.proto.message.FeederCommand;
import org.chorale.proto.message.WorkerCommand;

/** How to reach the workers and feeders that a plan knows by their places. */
final class Roster {
    private final Map<WorkerId, ActorRef<WorkerCommand>> workers = new HashMap<>();
    private final Map<String, ActorRef<FeederCommand>> feeders = new HashMap<>();

    void add(WorkerId worker, ActorRef<WorkerCommand> ref) {
        workers.putIfAbsent(worker, ref);
    }

    /** Forgets a worker and those before it in its place. */
    void remove(WorkerId lost) {
        workers.keySet()
                .removeIf(worker -> worker.place().equals(lost.place()) && worker.incarnation() <= lost.incarnation());
    }

    /** @throws NullPointerException where it never joined, or is lost */
    ActorRef<WorkerCommand> worker(WorkerId worker) {
        return Objects.requireNonNull(workers.get(worker), () -> worker + " is not here");
    }

    Collection<ActorRef<WorkerCommand>> workers() {
        return List.copyOf(workers.values());
    }

    void add(String feeder, ActorRef<FeederCommand> ref) {
        feeders.put(feeder, ref);
    }

    void remove(String feeder) {
        feeders.remove(feeder);
    }

    boolean isAnother(String feeder, ActorRef<FeederCommand> ref) {
        return feeders.containsKey(feeder) && !isHere(feeder, ref);
    }

    boolean isHere(String feeder, ActorRef<FeederCommand> ref) {
        return ref.equals(feeders.get(feeder));
    }

    /** @throws NullPointerException where it never joined, or is lost */
    ActorRef<FeederCommand> feeder(String feeder) {
        return Objects.requireNonNull(feeders.get(feeder), () -> feeder + " is not here");
    }
}
