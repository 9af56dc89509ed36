// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

/**
 * The keys under {@code checkpoint}.
 *
 * @param every steps from one checkpoint to the next; 0 writes one at the end only
 * @param keep newest checkpoints that are kept
 * @param keepBest whether the best evaluation's checkpoint is written, and kept besides them
 * @param export which checkpoint's model is the run's result
 */
public record CheckpointSettings(long every, int keep, boolean keepBest, Exported export) {
    /** Which checkpoint is exported at the end. */
    public enum Exported {
        LAST,
        /** That of the best evaluation. */
        BEST
    }

    public CheckpointSettings {
        new SettingProblems()
                .require(every >= 0, "checkpoint.every", every, "0 (only at the end) or more")
                .require(keep >= 1, "checkpoint.keep", keep, "at least 1")
                .require(
                        keepBest || export == Exported.LAST,
                        "checkpoint.export",
                        "best",
                        "last where checkpoint.keep-best is false")
                .throwAny();
    }
}
