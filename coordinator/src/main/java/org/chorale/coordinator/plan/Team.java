// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Who has which rank in one generation.
 *
 * @param workers by rank
 * @param feeders by the numbers that they are asked under
 */
public record Team(List<Worker> workers, List<String> feeders) {
    /** Ranks that a message names one by one. */
    private static final int NAMED = 8;

    public Team {
        workers = List.copyOf(workers);
        feeders = List.copyOf(feeders);
    }

    /** The first of a crew that is large enough. */
    static Team of(Crew crew, ParallelSettings parallel) {
        return new Team(
                crew.workers().subList(0, parallel.workers()),
                crew.feederPlaces().subList(0, parallel.feeders()));
    }

    /** Ranks. */
    public int size() {
        return workers.size();
    }

    List<Integer> ranks() {
        return IntStream.range(0, size()).boxed().toList();
    }

    /** Whoever has these ranks. */
    List<WorkerId> ids(List<Integer> ranks) {
        return ranks.stream().map(rank -> workers.get(rank).id()).toList();
    }

    List<WorkerId> ids() {
        return workers.stream().map(Worker::id).toList();
    }

    boolean isWithin(Crew crew) {
        return workers.stream().allMatch(worker -> crew.has(worker.id()))
                && crew.feeders().keySet().containsAll(feeders);
    }

    /** The feeder of a rank: one on its own node where there is one, else they take turns. */
    public String feederOf(int rank) {
        String node = WorkerId.node(workers.get(rank).id().place());
        List<String> near = feeders.stream()
                .filter(feeder -> feeder.equals(node) || WorkerId.node(feeder).equals(node))
                .toList();
        List<String> candidates = near.isEmpty() ? feeders : near;
        return candidates.get(rank % candidates.size());
    }

    /** A line per rank, with all that decides bits. */
    public String described() {
        return IntStream.range(0, size())
                .mapToObj(
                        rank -> "rank %d: %s".formatted(rank, workers.get(rank).name()))
                .collect(Collectors.joining("\n"));
    }

    /** For messages to people, such as: ranks 2 and 3 (10.0.0.7:2550/2, 10.0.0.7:2550/3). */
    String named(List<Integer> ranks) {
        if (ranks.size() == 1) {
            int rank = ranks.get(0);
            return "rank %d, %s".formatted(rank, workers.get(rank).name());
        }
        List<Integer> first = ranks.subList(0, Math.min(NAMED, ranks.size()));
        String places =
                first.stream().map(rank -> workers.get(rank).id().place()).collect(Collectors.joining(", "));
        int more = ranks.size() - first.size();
        return more == 0
                ? "ranks %s (%s)".formatted(listed(first), places)
                : "ranks %s and %d more (%s, ...)".formatted(commas(first), more, places);
    }

    private static String listed(List<Integer> ranks) {
        int last = ranks.size() - 1;
        return commas(ranks.subList(0, last)) + " and " + ranks.get(last);
    }

    private static String commas(List<Integer> ranks) {
        return ranks.stream().map(String::valueOf).collect(Collectors.joining(", "));
    }
}
