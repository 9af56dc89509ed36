// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.fp8;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;

/**
 * What a part of a flat buffer has of matrices whose other parts lie elsewhere: the scale of each is of all of it.
 *
 * @param runs in the order of the part, one at least
 * @param table the same where kernels read it, [runs, 3] int64
 */
public record ScaledRuns(List<Run> runs, Tensor table) {
    /** Of which starts and lengths are multiples. */
    private static final int LANES = 8;

    private static final int COLUMNS = 3;

    /**
     * Neighbouring elements of one matrix, or of several that have one scale.
     *
     * @param at the first of them, in the part
     * @param scale its number
     */
    public record Run(long at, long elements, int scale) {
        public Run {
            if (at % LANES != 0 || elements % LANES != 0) {
                throw new IllegalArgumentException(
                        "a run of %d elements at %d: both must be multiples of %d".formatted(elements, at, LANES));
            }
        }

        Tensor of(Tensor part) {
            return part.narrow(0, at, elements);
        }
    }

    public ScaledRuns {
        runs = List.copyOf(runs);
        if (runs.isEmpty()) {
            throw new IllegalArgumentException("a part without runs has no table");
        }
    }

    /** @param owner frees the table */
    public static ScaledRuns of(List<Run> runs, Device device, HeldTensors owner) {
        long[] numbers = new long[runs.size() * COLUMNS];
        int column = 0;
        for (Run run : runs) {
            numbers[column++] = run.at;
            numbers[column++] = run.elements;
            numbers[column++] = run.scale;
        }
        try (TensorScope scope = new TensorScope()) {
            return new ScaledRuns(runs, owner.hold(device.ofLongs(numbers, runs.size(), COLUMNS)));
        }
    }

    /** Elements of the longest. */
    long longest() {
        return runs.stream().mapToLong(Run::elements).max().orElseThrow();
    }
}
