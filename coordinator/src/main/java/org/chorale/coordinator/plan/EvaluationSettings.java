// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

/**
 * The keys under {@code evaluation}.
 *
 * @param every steps from one evaluation to the next; 0 evaluates before the first step and at the end only
 */
public record EvaluationSettings(long every) {
    public EvaluationSettings {
        new SettingProblems()
                .require(every >= 0, "evaluation.every", every, "0 (only at start and end) or more")
                .throwAny();
    }
}
