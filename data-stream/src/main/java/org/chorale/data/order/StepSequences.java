// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.order;

import java.util.Arrays;
import java.util.stream.LongStream;

/**
 * What a rank does in an optimizer step.
 *
 * @param epochs passes over the data once the step is done, over all ranks; a whole number at the end of an epoch
 * @param most sequences of the rank that has the most of the step
 * @param sequences the rank's, in order, each with its examples; none where the step has fewer than there are ranks
 */
@SuppressWarnings("ArrayRecordComponent") // made for one reader, never compared
public record StepSequences(double epochs, int most, long[][] sequences) {
    /** The examples of all sequences in order. */
    public long[] examples() {
        return Arrays.stream(sequences).flatMapToLong(LongStream::of).toArray();
    }
}
