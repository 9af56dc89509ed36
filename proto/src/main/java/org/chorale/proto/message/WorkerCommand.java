// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.message;

import java.util.Optional;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.stream.SourceRef;
import org.apache.pekko.util.ByteString;
import org.chorale.proto.batch.Feed;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.wire.ShardPlan;

/** What a worker is told, by the coordinator and by its feeder. */
public sealed interface WorkerCommand {
    /**
     * Say what the model is made of.
     *
     * @param runConf the run's configuration as resolved, in HOCON
     */
    record DescribeModel(long generation, String runConf, ActorRef<CoordinatorCommand> replyTo)
            implements WorkerCommand {}

    /**
     * Load this rank's part of the model, from the model folder or from a checkpoint.
     *
     * @param checkpoint the folder of a committed checkpoint, of whatever world size
     * @param totalSteps of the run; the learning-rate schedule ends there
     * @param rendezvous a folder of this generation alone, where the ranks find each other
     */
    record TakeShard(
            long generation,
            int rank,
            ShardPlan plan,
            String runConf,
            Optional<String> checkpoint,
            long totalSteps,
            String rendezvous,
            ActorRef<FeederCommand> feeder,
            ActorRef<CoordinatorCommand> replyTo)
            implements WorkerCommand {}

    /** The key of the group that the ranks of a generation form over NCCL, as rank 0 has made it. */
    record JoinGroup(long generation, GroupKey key) implements WorkerCommand {}

    /** Run the steps after {@code from} up to and including {@code until}. */
    record RunSteps(long generation, long from, long until) implements WorkerCommand {}

    /** End the span soon, after a step on which all ranks agree. */
    record StopSpan(long generation) implements WorkerCommand {}

    /** Measure the held-out examples with the weights as they are after {@code step} steps. */
    record Evaluate(long generation, long step) implements WorkerCommand {}

    /** Write this rank's part of a checkpoint into an existing folder. */
    record WriteShard(long generation, long step, String folder) implements WorkerCommand {}

    /**
     * Write a folder that Transformers loads; {@code folder} does not exist yet and appears whole or not at all.
     *
     * @param checkpoint the folder of the committed checkpoint of that step, which is read
     */
    record ExportModel(long generation, long step, String checkpoint, String folder) implements WorkerCommand {}

    /**
     * Drop whatever goes on in a generation before this one, collectives included, and be ready for a new shard; answered
     * by {@link CoordinatorCommand.Abandoned}.
     */
    record Abandon(long generation) implements WorkerCommand {}

    /** The run is over: the process ends. */
    record Dismiss() implements WorkerCommand {}

    /**
     * Answer to {@link FeederCommand.OpenFeed}: a stream that flows as far as the worker pulls.
     *
     * @param number that came with the question
     * @param batches as {@link org.chorale.proto.feed.BatchFraming} cuts them
     */
    record FeedOpened(long generation, Feed feed, long number, SourceRef<ByteString> batches)
            implements WorkerCommand {}

    /** Answer to {@link FeederCommand.OpenFeed}: there is no such stream. */
    record FeedRefused(long generation, Feed feed, long number, Fault fault) implements WorkerCommand {}

    /** What a worker tells itself. */
    non-sealed interface Internal extends WorkerCommand {}
}
