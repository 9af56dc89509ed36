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
    private record Feeder(int incarnation, ActorRef<FeederCommand> ref) {}

    private final Map<WorkerId, ActorRef<WorkerCommand>> workers = new HashMap<>();
    private final Map<String, Feeder> feeders = new HashMap<>(); // by place

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

    /** The newest in a place counts. */
    void add(String place, int incarnation, ActorRef<FeederCommand> ref) {
        Feeder there = feeders.get(place);
        if (there == null || there.incarnation() < incarnation) {
            feeders.put(place, new Feeder(incarnation, ref));
        }
    }

    /** Forgets a feeder and those before it in its place. */
    void remove(String place, int incarnation) {
        feeders.computeIfPresent(place, (at, there) -> there.incarnation() <= incarnation ? null : there);
    }

    /** @throws NullPointerException where it never joined, or is lost */
    ActorRef<FeederCommand> feeder(String place) {
        return Objects.requireNonNull(feeders.get(place), () -> place + " is not here")
                .ref();
    }
}
