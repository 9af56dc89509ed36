// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.util.List;
import java.util.Optional;
import org.chorale.proto.batch.StepBatch;
import org.chorale.training.shard.UnitLayout;

/** What a worker tells the shard beside it, in the same process. */
sealed interface ShardCommand {
    /** Say what the model is made of. */
    record Describe(long generation, String runConf) implements ShardCommand {}

    /** Load this rank's part of the model. */
    record Load(
            long generation,
            int rank,
            List<UnitLayout> layout,
            String runConf,
            Optional<String> checkpoint,
            long totalSteps)
            implements ShardCommand {}

    /** Run the steps after {@code from} up to and including {@code until}, as batches arrive. */
    record Run(long from, long until) implements ShardCommand {}

    /** End the span after the step in hand. */
    record EndSpan() implements ShardCommand {}

    /** A batch of either stream. */
    record Batch(StepBatch batch) implements ShardCommand {}

    /** Measure the evaluation batches that follow. */
    record Evaluate(long step) implements ShardCommand {}

    /** Write the shard into a checkpoint's folder. */
    record Write(long step, String folder) implements ShardCommand {}

    /** Write a folder that Transformers loads. */
    record Export(long step, String folder) implements ShardCommand {}

    /** What the shard tells itself. */
    non-sealed interface Internal extends ShardCommand {}
}
