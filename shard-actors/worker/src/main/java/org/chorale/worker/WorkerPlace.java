// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

/**
 * Where a worker is.
 *
 * @param worker its node and slot, such as {@code 10.0.0.7:2550/1}
 * @param incarnation of the process in this place, from 1
 * @param bindHost this host's own address, which other ranks reach it at and the only one that it listens on
 */
public record WorkerPlace(String worker, int incarnation, String bindHost) {
    /** Its number among the node's, from 0, which is also that of its GPU. */
    int slot() {
        return Integer.parseInt(worker.substring(worker.lastIndexOf('/') + 1));
    }
}
