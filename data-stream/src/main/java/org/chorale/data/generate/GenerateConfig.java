// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.generate;

import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * {@code data.generate}: the pairs that a recipe makes by itself.
 *
 * @param task what to make; empty where the user brings data
 * @param trainRows training pairs
 * @param heldOutRows held-out pairs
 * @param seed decides the pairs
 */
public record GenerateConfig(Optional<GenerateTask> task, int trainRows, int heldOutRows, long seed) {
    private static final int MAX_TRAIN_ROWS = 1_000_000; // a quarter has four letters, of which 7/8 of 26^4 can train
    private static final int MAX_HELD_OUT_ROWS = 100_000;

    public GenerateConfig {
        String problems = Stream.concat(
                        problem("train-rows", trainRows, MAX_TRAIN_ROWS),
                        problem("held-out-rows", heldOutRows, MAX_HELD_OUT_ROWS))
                .collect(Collectors.joining("\n"));
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(problems);
        }
    }

    private static Stream<String> problem(String key, int value, int max) {
        return value >= 1 && value <= max
                ? Stream.empty()
                : Stream.of("data.generate.%s = %d: must be 1 to %d".formatted(key, value, max));
    }
}
