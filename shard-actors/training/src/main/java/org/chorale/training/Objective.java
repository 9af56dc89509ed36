// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/** How micro-batches become gradients. */
public sealed interface Objective extends AutoCloseable
        permits LanguageModelObjective, PipelineObjective, PairObjective, RatingObjective {
    /**
     * Forward and backward of a step's micro-batches; adds to the gradients of the shard's parameters.
     *
     * @param step of the run, from 1
     * @param upstream [1]: gradients are multiplied by it; null for 1
     * @param sums takes the loss, and what the gradients are to be divided by
     */
    void addGradients(long step, List<MicroBatch> microBatches, @Nullable Tensor upstream, StepSums sums);

    /** Adds the loss of a micro-batch that is not trained on. */
    void evaluate(MicroBatch microBatch, StepSums sums);

    /** Adds what is known only once every rank has evaluated all of its micro-batches; all call it. */
    default void finishEvaluation(StepSums sums) {}

    /** Frees what is its own beside the shard. */
    @Override
    default void close() {}
}
