// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

/**
 * A worker that has joined.
 *
 * @param host for people
 * @param device what computes, for people
 */
public record Worker(WorkerId id, String host, String device) {
    /** For messages to people. */
    String name() {
        return "%s (%s, %s)".formatted(id.place(), host, device);
    }
}
