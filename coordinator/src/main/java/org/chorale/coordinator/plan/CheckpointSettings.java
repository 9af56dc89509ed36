// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

/**
 * The keys under {@code checkpoint}.
 *
 * @param every steps from one checkpoint to the next; 0 writes one at the end only
 * @param keep newest checkpoints that are kept
 */
public record CheckpointSettings(long every, int keep) {
    public CheckpointSettings {
        new SettingProblems()
                .require(every >= 0, "checkpoint.every", every, "0 (only at the end) or more")
                .require(keep >= 1, "checkpoint.keep", keep, "at least 1")
                .throwAny();
    }
}
