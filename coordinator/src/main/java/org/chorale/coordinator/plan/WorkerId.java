// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.util.Comparator;

/**
 * A worker process: its place, and the number of the process there.
 *
 * @param place node and slot, such as {@code 10.0.0.7:2550/1}
 * @param incarnation from 1
 */
public record WorkerId(String place, int incarnation) {
    /** That of ranks: by node, and by slot on it, as numbers. */
    static final Comparator<WorkerId> ORDER = Comparator.comparing((WorkerId id) -> node(id.place()))
            .thenComparingInt(WorkerId::slot)
            .thenComparing(WorkerId::place)
            .thenComparingInt(WorkerId::incarnation);

    /** The node of a worker's or a feeder's place: all before the last slash. */
    static String node(String place) {
        int slash = place.lastIndexOf('/');
        return slash < 0 ? place : place.substring(0, slash);
    }

    private int slot() {
        String slot = place.substring(place.lastIndexOf('/') + 1);
        return slot.matches("\\d{1,9}") ? Integer.parseInt(slot) : Integer.MAX_VALUE;
    }
}
