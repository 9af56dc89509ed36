// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.queue;

import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * A node that was accepted.
 *
 * @param name its address, and from the second time on that it comes under that address a number: so that the places of
 *     workers that are gone never come back
 * @param host for people
 * @param roles such as worker and feeder
 * @param slots for workers
 * @param gpus their names; the first is that of slot 0, and slots beyond the last have none
 */
record ClusterNode(String name, String address, String host, Set<String> roles, int slots, List<String> gpus) {
    ClusterNode {
        roles = Set.copyOf(roles);
        gpus = List.copyOf(gpus);
    }

    /** Slots in which workers can be started, of this kind. */
    List<Slot> usable(SlotKind kind) {
        int numbers = roles.contains("worker") ? slots : 0;
        return IntStream.range(0, numbers)
                .filter(number -> kind.has(this, number))
                .mapToObj(number -> new Slot(name, number))
                .toList();
    }

    boolean works() {
        return !usable(SlotKind.ANY).isEmpty();
    }

    boolean feeds() {
        return roles.contains("feeder");
    }

    boolean hasGpu(Slot slot) {
        return slot.number() < gpus.size();
    }
}
