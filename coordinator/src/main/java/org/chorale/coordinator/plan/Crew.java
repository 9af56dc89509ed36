// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Who is there, whether a rank was given to it or not.
 *
 * @param workers at most one per place, in the order of ranks
 * @param feeders their places, in order
 * @param ended by place, the newest worker of which it is known that it has ended: so that late news of it, and of those
 *     before, count for nothing
 */
public record Crew(List<Worker> workers, List<String> feeders, Map<String, Integer> ended) {
    static final Crew NOBODY = new Crew(List.of(), List.of(), Map.of());

    private static final Comparator<Worker> ORDER = Comparator.comparing(Worker::id, WorkerId.ORDER);

    public Crew {
        workers = List.copyOf(workers);
        feeders = List.copyOf(feeders);
        ended = Map.copyOf(ended);
    }

    /** The worker in a place. */
    Optional<Worker> at(String place) {
        return workers.stream()
                .filter(worker -> worker.id().place().equals(place))
                .findFirst();
    }

    boolean has(WorkerId id) {
        return workers.stream().anyMatch(worker -> worker.id().equals(id));
    }

    /** Whether this one is newer than all that were heard of in its place. */
    boolean isNew(WorkerId id) {
        int newest = at(id.place()).map(there -> there.id().incarnation()).orElse(0);
        return id.incarnation() > Math.max(newest, ended.getOrDefault(id.place(), 0));
    }

    /** With a worker in a place where there is none. */
    Crew joined(Worker worker) {
        return new Crew(
                Stream.concat(workers.stream(), Stream.of(worker)).sorted(ORDER).toList(), feeders, ended);
    }

    /** Without this worker and those before it in its place; this crew itself where that is no news. */
    Crew lost(WorkerId id) {
        if (ended.getOrDefault(id.place(), 0) >= id.incarnation()) {
            return this;
        }
        Map<String, Integer> last = new HashMap<>(ended);
        last.put(id.place(), id.incarnation());
        List<Worker> left = workers.stream()
                .filter(worker ->
                        !worker.id().place().equals(id.place()) || worker.id().incarnation() > id.incarnation())
                .toList();
        return new Crew(left, feeders, last);
    }

    Crew feederJoined(String place) {
        return new Crew(
                workers,
                Stream.concat(feeders.stream(), Stream.of(place)).sorted().toList(),
                ended);
    }

    Crew feederLost(String place) {
        return new Crew(
                workers,
                feeders.stream().filter(feeder -> !feeder.equals(place)).toList(),
                ended);
    }
}
