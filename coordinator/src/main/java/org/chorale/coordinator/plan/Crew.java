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
 * @param feeders which incarnation is in each place
 * @param ended by place, the newest worker of which it is known that it has ended: so that late news of it, and of those
 *     before, count for nothing
 * @param endedFeeders the same of feeders
 * @param givenUp places in which no worker can live, and why
 */
public record Crew(
        List<Worker> workers,
        Map<String, Integer> feeders,
        Map<String, Integer> ended,
        Map<String, Integer> endedFeeders,
        Map<String, String> givenUp) {
    static final Crew NOBODY = new Crew(List.of(), Map.of(), Map.of(), Map.of(), Map.of());

    private static final Comparator<Worker> ORDER = Comparator.comparing(Worker::id, WorkerId.ORDER);

    public Crew {
        workers = List.copyOf(workers);
        feeders = Map.copyOf(feeders);
        ended = Map.copyOf(ended);
        endedFeeders = Map.copyOf(endedFeeders);
        givenUp = Map.copyOf(givenUp);
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

    boolean isNewFeeder(String place, int incarnation) {
        int newest = feeders.getOrDefault(place, 0);
        return incarnation > Math.max(newest, endedFeeders.getOrDefault(place, 0));
    }

    /** With a worker in a place where there is none. */
    Crew joined(Worker worker) {
        return new Crew(
                Stream.concat(workers.stream(), Stream.of(worker)).sorted(ORDER).toList(),
                feeders,
                ended,
                endedFeeders,
                givenUp);
    }

    /** Without this worker and those before it in its place; this crew itself where that is no news. */
    Crew lost(WorkerId id) {
        if (ended.getOrDefault(id.place(), 0) >= id.incarnation()) {
            return this;
        }
        List<Worker> left = workers.stream()
                .filter(worker ->
                        !worker.id().place().equals(id.place()) || worker.id().incarnation() > id.incarnation())
                .toList();
        return new Crew(left, feeders, with(ended, id.place(), id.incarnation()), endedFeeders, givenUp);
    }

    /** Without the worker in a place, if there is one, nor any that may come there. */
    Crew gaveUp(String place, String reason) {
        Crew without = lost(new WorkerId(place, Integer.MAX_VALUE));
        return new Crew(without.workers, feeders, without.ended, endedFeeders, with(givenUp, place, reason));
    }

    /** The places of feeders, in order. */
    List<String> feederPlaces() {
        return feeders.keySet().stream().sorted().toList();
    }

    Crew feederJoined(String place, int incarnation) {
        return new Crew(workers, with(feeders, place, incarnation), ended, endedFeeders, givenUp);
    }

    /** Without this feeder and those before it in its place; this crew itself where that is no news. */
    Crew feederLost(String place, int incarnation) {
        if (endedFeeders.getOrDefault(place, 0) >= incarnation) {
            return this;
        }
        Map<String, Integer> left = new HashMap<>(feeders);
        left.computeIfPresent(place, (at, there) -> there > incarnation ? there : null);
        return new Crew(workers, left, ended, with(endedFeeders, place, incarnation), givenUp);
    }

    private static <V> Map<String, V> with(Map<String, V> before, String place, V value) {
        Map<String, V> after = new HashMap<>(before);
        after.put(place, value);
        return after;
    }
}
