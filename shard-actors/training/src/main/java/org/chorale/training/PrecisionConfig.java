// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import org.chorale.training.shard.Precision;

/**
 * The keys {@code precision} and {@code tf32}: the format of a run's arithmetic.
 *
 * @param tf32 whether GPUs may multiply fp32 values in tf32
 */
public record PrecisionConfig(Precision precision, boolean tf32) {
    public PrecisionConfig {
        if (tf32 && precision != Precision.FP32) {
            throw new IllegalArgumentException(
                    "tf32 = true: only precision = fp32 has products that it makes faster, and"
                            + " precision is %s; must be false".formatted(precision.word()));
        }
    }
}
