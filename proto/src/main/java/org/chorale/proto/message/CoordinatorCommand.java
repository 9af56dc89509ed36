// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.message;

import org.apache.pekko.actor.typed.ActorRef;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.wire.EvaluationReport;
import org.chorale.proto.wire.ModelOutline;
import org.chorale.proto.wire.RankHolding;
import org.chorale.proto.wire.ShardFile;
import org.chorale.proto.wire.StepReport;

/** What the coordinator of a run is told. Every message names the generation that it belongs to. */
public sealed interface CoordinatorCommand {
    /**
     * A worker is up and waits for work.
     *
     * @param worker its place: node and slot, such as {@code 10.0.0.7:2550/1}. Places are told apart by text; ranks are
     *     given in the order of nodes and slots
     * @param incarnation of the process in this place, from 1
     * @param host for people
     * @param device what computes, with whatever decides bits, for people
     */
    record WorkerJoined(String worker, int incarnation, String host, String device, ActorRef<WorkerCommand> ref)
            implements CoordinatorCommand {}

    /**
     * The process of a worker has ended, or the node on which it ran. Another may join in its place.
     *
     * @param reason as the end of "the worker ... was lost: "
     */
    record WorkerLost(String worker, int incarnation, String reason) implements CoordinatorCommand {}

    /** There will be no worker in this place: its processes have ended too often. */
    record WorkerUnavailable(String worker, Fault fault) implements CoordinatorCommand {}

    /**
     * A feeder is up.
     *
     * @param feeder its place, told apart by text
     * @param incarnation of the feeder in this place, from 1
     */
    record FeederJoined(String feeder, int incarnation, String host, ActorRef<FeederCommand> ref)
            implements CoordinatorCommand {}

    /** A feeder is gone. Another may join in its place. */
    record FeederLost(String feeder, int incarnation, String reason) implements CoordinatorCommand {}

    /** Answer to {@link WorkerCommand.Abandon}: nothing of an earlier generation goes on in this worker. */
    record Abandoned(long generation, String worker, int incarnation) implements CoordinatorCommand {}

    /** Answer to {@link WorkerCommand.DescribeModel}. */
    record ModelDescribed(long generation, ModelOutline outline) implements CoordinatorCommand {}

    /**
     * Answer to {@link FeederCommand.DescribeData}.
     *
     * @param examples usable training examples
     * @param steps optimizer steps of the whole run: {@code run.steps}, or what {@code run.epochs} takes
     * @param rowsSkipped malformed rows that were left out, training and held-out together
     * @param evaluationExamples 0 where there is no {@code data.eval.path}
     * @param tokenIds one more than the largest id that the tokenizer can give
     * @param feeder the number that it was given with the question
     * @param digest SHA-256 over the digests of training source, tokenizer and chat template, in hexadecimal
     */
    record DataDescribed(
            long generation,
            int feeder,
            long examples,
            long steps,
            long rowsSkipped,
            long evaluationExamples,
            long tokenIds,
            String digest)
            implements CoordinatorCommand {}

    /**
     * Rank 0 has made the key of the group that its generation forms over NCCL, which the other ranks wait for: they are
     * told by {@link WorkerCommand.JoinGroup}. Ranks on CPUs need none.
     */
    record GroupKeyMade(long generation, GroupKey key) implements CoordinatorCommand {}

    /**
     * The shard is loaded and stands where {@code step} steps are done.
     *
     * @param checkpointBytes that this rank's part of a checkpoint takes, but for a header
     * @param holding what the rank holds; its worker is not set
     */
    record ShardReady(long generation, int rank, long step, long checkpointBytes, RankHolding holding)
            implements CoordinatorCommand {}

    /** A rank has done a step; all ranks report each, where it has many examples in {@link ReportPieces pieces}. */
    record StepDone(long generation, int rank, StepReport report) implements CoordinatorCommand {}

    /**
     * The span is done, or was cut short by {@link WorkerCommand.StopSpan}, after the same step on every rank; {@code step}
     * steps are done in all.
     */
    record SpanDone(long generation, int rank, long step) implements CoordinatorCommand {}

    /** Answer to {@link WorkerCommand.Evaluate}; the same from every rank. */
    record Evaluated(long generation, int rank, EvaluationReport report) implements CoordinatorCommand {}

    /** Answer to {@link WorkerCommand.WriteShard}: the file is on disk and synced. */
    record ShardWritten(long generation, int rank, long step, ShardFile file) implements CoordinatorCommand {}

    /** Answer to {@link WorkerCommand.ExportModel}. */
    record ModelExported(long generation, long step) implements CoordinatorCommand {}

    /**
     * A rank cannot go on. Where a peer is gone, the fault is a LOST_RESOURCE and the worker itself is whole: it waits to be
     * told to abandon the generation.
     */
    record WorkerFailed(long generation, int rank, Fault fault) implements CoordinatorCommand {}

    /** The data cannot be opened, or the next batch that a rank needs cannot be made of it. */
    record FeedFailed(long generation, Fault fault) implements CoordinatorCommand {}

    /**
     * Whoever is waited for has nothing to tell yet, but is at work. Sent a few times in {@code run.progress-timeout}.
     *
     * @param done examples of an evaluation so far; 0 in any other work
     */
    record StillWorking(long generation, long done) implements CoordinatorCommand {}

    /** Finish the step in hand, write a checkpoint, end. */
    record StopRun(String reason) implements CoordinatorCommand {}

    /** What the coordinator tells itself. */
    non-sealed interface Internal extends CoordinatorCommand {}
}
