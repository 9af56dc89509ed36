// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.chorale.training.MicroBatch.Role;

/**
 * The floating-point operations that training on preferences needs: every answer is trained, but a mismatched one, which
 * runs forward alone; and where there is a reference, all run forward through it.
 *
 * @param trained of a model that is trained
 * @param forward of the same that only runs forward; the reference's too, but for adapters
 * @param compares whether there is a reference
 */
public record PreferenceFlops(ModelFlops trained, ModelFlops forward, boolean compares) {
    /** Of all sequences of a micro-batch. */
    public double of(MicroBatch batch) {
        double policy = IntStream.range(0, batch.sequences())
                .mapToDouble(i ->
                        (batch.roles().get(i) == Role.MISMATCHED ? forward : trained).ofDocument(batch.lengths()[i]))
                .sum();
        return compares
                ? policy
                        + Arrays.stream(batch.lengths())
                                .mapToDouble(forward::ofDocument)
                                .sum()
                : policy;
    }
}
