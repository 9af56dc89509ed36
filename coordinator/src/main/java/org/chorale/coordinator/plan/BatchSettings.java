// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

/**
 * The keys under {@code data} that decide whether the run's model can take its sequences.
 *
 * @param sequenceTokens longest sequence
 */
public record BatchSettings(long sequenceTokens) {
    public BatchSettings {
        new SettingProblems()
                .require(sequenceTokens >= 1, "data.sequence-tokens", sequenceTokens, "at least 1")
                .throwAny();
    }
}
