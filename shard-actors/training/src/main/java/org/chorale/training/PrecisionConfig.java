// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

/**
 * The key {@code precision}.
 *
 * @param precision only {@code fp32} so far
 */
public record PrecisionConfig(String precision) {
    public PrecisionConfig {
        if (!precision.equals("fp32")) {
            throw new IllegalArgumentException("precision = " + precision + ": not supported yet; must be fp32");
        }
    }
}
