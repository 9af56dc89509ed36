// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.queue;

import java.util.List;

/**
 * What a run gets.
 *
 * @param slots for workers
 * @param feeders places of feeders: a node and what tells them apart there
 */
record Grant(String run, List<Slot> slots, List<String> feeders) {
    Grant {
        slots = List.copyOf(slots);
        feeders = List.copyOf(feeders);
    }
}
