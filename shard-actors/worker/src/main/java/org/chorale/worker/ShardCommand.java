// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.time.Duration;
import org.chorale.proto.batch.Feed;
import org.chorale.proto.batch.StepBatch;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.message.WorkerCommand.TakeShard;

/** What a worker tells the shard beside it, in the same process. A shard serves one generation, and ends with it. */
sealed interface ShardCommand {
    /** Say what the model is made of. */
    record Describe(long generation, String runConf) implements ShardCommand {}

    /**
     * Join the other ranks, and load this rank's part of the model.
     *
     * @param devices where the ranks' devices join
     * @param leaving what it took the shard before this one to end; zero where there was none
     */
    record Load(TakeShard order, WorkerPlace place, DeviceMeeting devices, Duration leaving) implements ShardCommand {}

    /**
     * Run the steps after {@code from} up to and including {@code until}, as batches arrive.
     *
     * @param intake number of the feed that they come through; those of one before are of no use
     */
    record Run(long from, long until, long intake) implements ShardCommand {}

    /** Let all ranks end the span after the next step. */
    record EndSpan() implements ShardCommand {}

    /**
     * A batch of either stream.
     *
     * @param intake number of the feed that it came through
     * @param askedNanos when its worker began to wait for it, and when it came: of {@link System#nanoTime}
     */
    record Batch(StepBatch batch, long intake, long askedNanos, long arrivedNanos) implements ShardCommand {}

    /**
     * No batch comes through this feed after those that came.
     *
     * @param intake number of the feed
     */
    record FeedBroken(Feed feed, long intake, Fault fault) implements ShardCommand {}

    /** Measure the evaluation batches that follow. */
    record Evaluate(long step) implements ShardCommand {}

    /** Write the shard into a checkpoint's folder. */
    record Write(long step, String folder) implements ShardCommand {}

    /** Write a folder that Transformers loads from a committed checkpoint. */
    record Export(long step, String checkpoint, String folder) implements ShardCommand {}

    /** End, and free everything. */
    record Leave() implements ShardCommand {}

    /** What the shard tells itself. */
    non-sealed interface Internal extends ShardCommand {}
}
