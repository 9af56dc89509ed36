// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.contract;

import java.util.Optional;

/**
 * A tensor as a contract declares it, written {@code name:rank} or {@code name:rank:type}.
 *
 * @param rank how many dimensions it has; 0 for a number
 * @param type of its elements; empty where any will do
 */
public record TensorSpec(String name, int rank, Optional<ElementType> type) {
    /** What is wrong with a tensor of another rank or type, in words; empty where nothing is. */
    Optional<String> misfit(TensorSpec given) {
        if (given.rank != rank) {
            return Optional.of("rank %d is not %d".formatted(given.rank, rank));
        }
        boolean fits = type.isEmpty() || given.type.isEmpty() || type.get().overlaps(given.type.get());
        return fits
                ? Optional.empty()
                : Optional.of("%s is not %s"
                        .formatted(given.type.get().word(), type.get().word()));
    }

    @Override
    public String toString() {
        return name + ":" + rank + type.map(t -> ":" + t.word()).orElse("");
    }
}
