// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

/**
 * The keys under {@code data} that decide how long a run is and whether its model can take its sequences.
 *
 * @param globalBatch sequences per optimizer step
 * @param sequenceTokens longest sequence
 */
public record BatchSettings(long globalBatch, long sequenceTokens) {
    public BatchSettings {
        new SettingProblems()
                .require(globalBatch >= 1, "data.global-batch", globalBatch, "at least 1")
                .require(sequenceTokens >= 1, "data.sequence-tokens", sequenceTokens, "at least 1")
                .throwAny();
    }
}
