// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.queue;

import java.util.Set;

/**
 * A node that was accepted.
 *
 * @param name its address, and from the second time on that it comes under that address a number: so that the places of
 *     workers that are gone never come back
 * @param roles such as worker and feeder
 * @param slots for workers
 */
record ClusterNode(String name, String address, Set<String> roles, int slots) {
    ClusterNode {
        roles = Set.copyOf(roles);
    }

    /** Slots in which workers can be started. */
    int usable() {
        return roles.contains("worker") ? slots : 0;
    }

    boolean feeds() {
        return roles.contains("feeder");
    }
}
