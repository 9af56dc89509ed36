// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** What the ranks of one generation do together: no rank ends a step before all have come to it. */
final class SimulatedGroup {
    final long generation;
    final int worldSize;
    private final List<SimulatedWorker> members = new ArrayList<>();
    private final Map<Long, Set<Integer>> arrived = new HashMap<>(); // ranks by step
    private final Set<Long> stops = new HashSet<>(); // steps to which a rank came that was told to stop

    SimulatedGroup(long generation, int worldSize) {
        this.generation = generation;
        this.worldSize = worldSize;
    }

    void join(SimulatedWorker worker) {
        members.add(worker);
    }

    void arrive(long step, int rank, boolean toldToStop) {
        arrived.computeIfAbsent(step, s -> new HashSet<>()).add(rank);
        if (toldToStop) {
            stops.add(step);
        }
    }

    boolean isDone(long step) {
        return arrived.getOrDefault(step, Set.of()).size() == worldSize;
    }

    /** Whether all ranks end their span after this step. */
    boolean endsAfter(long step) {
        return stops.contains(step);
    }

    /** Whether a member is gone, so that steps to which not all have come will never be done. */
    boolean isBroken() {
        return members.stream().anyMatch(worker -> !worker.isIn(this));
    }
}
