// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.queue;

/** Where a worker of a run is, or is to be. */
record Slot(String node, int number) {
    /** As coordinator and workers know it. */
    String place() {
        return node + "/" + number;
    }
}
