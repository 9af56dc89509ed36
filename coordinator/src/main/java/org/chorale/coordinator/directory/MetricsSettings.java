// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.directory;

/**
 * The keys under {@code metrics}.
 *
 * @param samples how a step's line names the examples that it saw
 */
public record MetricsSettings(Samples samples) {
    /** Ways to name the examples of a step. */
    public enum Samples {
        /** Their global indices, in order. */
        INDICES,
        /** A SHA-256 over the indices as little-endian 64-bit integers. */
        DIGEST
    }
}
