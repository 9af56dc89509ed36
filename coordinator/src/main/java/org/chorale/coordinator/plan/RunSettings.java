// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;

/**
 * The keys under {@code run}.
 *
 * @param steps optimizer steps in all; where empty, {@code epochs} decides
 * @param epochs passes over the training data
 * @param seed decides the order of the examples and the initial values
 * @param dir the run directory
 * @param progressTimeout how long the run waits without hearing from whom it waits for
 * @param nonFiniteSteps steps in a row that may be skipped because loss or gradient is not finite
 */
public record RunSettings(
        Optional<Long> steps, double epochs, long seed, Path dir, Duration progressTimeout, int nonFiniteSteps) {
    private static final double MAX_EPOCHS = 1e6;
    private static final Duration MIN_TIMEOUT = Duration.ofSeconds(1);
    private static final Duration MAX_TIMEOUT = Duration.ofDays(30);

    public RunSettings {
        boolean timeoutFits =
                progressTimeout.compareTo(MIN_TIMEOUT) >= 0 && progressTimeout.compareTo(MAX_TIMEOUT) <= 0;
        new SettingProblems()
                .require(
                        steps.orElse(1L) >= 1,
                        "run.steps",
                        steps.orElse(1L),
                        "at least 1, or null so that run.epochs decides")
                .require(epochs > 0 && epochs <= MAX_EPOCHS, "run.epochs", epochs, "more than 0 and at most 1000000")
                .require(timeoutFits, "run.progress-timeout", progressTimeout, "from 1 second to 30 days")
                .require(nonFiniteSteps >= 0, "run.non-finite-steps", nonFiniteSteps, "0 or more")
                .throwAny();
    }
}
