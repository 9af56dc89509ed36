// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.queue;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Collectors;

/** Puts workers on as few nodes as can be, and there where they leave the least. */
final class Packing {
    private Packing() {}

    /**
     * Takes the node that is just large enough; where none is, all of the largest, and so on.
     *
     * @param free slots, node by node
     * @return as many as are wanted, or all that there are
     */
    static List<Slot> pack(List<List<Slot>> free, int wanted) {
        List<List<Slot>> left = free.stream()
                .filter(slots -> !slots.isEmpty())
                .sorted(Comparator.comparingInt(List::size))
                .collect(Collectors.toCollection(ArrayList::new));
        List<Slot> taken = new ArrayList<>();
        while (taken.size() < wanted && !left.isEmpty()) {
            int lacking = wanted - taken.size();
            List<Slot> chosen = left.stream()
                    .filter(slots -> slots.size() >= lacking)
                    .findFirst()
                    .orElseGet(() -> Collections.max(left, Comparator.comparingInt(List::size)));
            taken.addAll(chosen.subList(0, Math.min(lacking, chosen.size())));
            left.remove(chosen);
        }
        return taken;
    }
}
