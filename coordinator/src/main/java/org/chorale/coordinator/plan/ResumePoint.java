// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.util.Optional;

/**
 * The newest whole checkpoint, as far as the plan needs to know it.
 *
 * @param folder of the checkpoint
 * @param step optimizer steps done, skipped ones included
 * @param skippedInARow steps up to this one that were not finite
 * @param standing of the evaluations up to this step
 * @param dataDigest of the training source and tokenizer that the run began with, where it was recorded
 * @param configDigest of the config.json that the run began with, where it was recorded
 */
public record ResumePoint(
        String folder,
        long step,
        int skippedInARow,
        Standing standing,
        Optional<String> dataDigest,
        Optional<String> configDigest) {}
