// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.nio.file.Path;
import java.util.Optional;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/**
 * The keys of a run's profile, under {@code run}.
 *
 * @param profileSteps steps whose timeline is written; 0 for none
 * @param dir the run directory; empty where nothing is written, as in an evaluation by itself
 */
public record ProfileConfig(int profileSteps, Optional<Path> dir) {
    /** A step of a large model has some 10,000 events, and a recording a million. */
    private static final int MOST_STEPS = 100;

    private static final String FOLDER = "profile";

    public ProfileConfig {
        if (profileSteps < 0 || profileSteps > MOST_STEPS) {
            throw new IllegalArgumentException(
                    "run.profile-steps = %d: must be from 0 to %d".formatted(profileSteps, MOST_STEPS));
        }
        if (profileSteps > 0 && dir.isEmpty()) {
            throw new IllegalArgumentException("run.dir = null: must be set where run.profile-steps is");
        }
    }

    boolean isWanted() {
        return profileSteps > 0;
    }

    /** Where a rank's timeline goes. */
    Path file(int rank) {
        return dir.orElseThrow().resolve(FOLDER).resolve("rank-%05d.json".formatted(rank));
    }

    /** What keeps a rank from being profiled, as one who wrote the key understands it. */
    FaultException refused(RuntimeException why) {
        return new FaultException(
                FaultCode.CONFIG_INVALID,
                "run.profile-steps = %d: %s; chorale doctor says what is missing"
                        .formatted(profileSteps, why.getMessage()),
                why);
    }
}
