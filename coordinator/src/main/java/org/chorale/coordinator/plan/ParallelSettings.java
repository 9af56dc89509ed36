// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

/**
 * The keys under {@code parallel}.
 *
 * @param workers processes that share the model
 */
public record ParallelSettings(int workers) {
    public ParallelSettings {
        new SettingProblems()
                .require(workers == 1, "parallel.workers", workers, "1: this release trains on one worker")
                .throwAny();
    }
}
