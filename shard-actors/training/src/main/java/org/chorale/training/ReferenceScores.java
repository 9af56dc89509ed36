// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import org.bytedeco.pytorch.Tensor;

/** The log-probabilities that a policy's are compared with, by a model that runs beside it or by one that ran before. */
public interface ReferenceScores extends AutoCloseable {
    /**
     * Of each sequence, over its labels that count; all ranks call it equally often.
     *
     * @return [B] fp64, in the caller's scope
     */
    Tensor of(MicroBatch batch);

    @Override
    default void close() {}
}
