// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.util.List;
import java.util.Optional;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.proto.wire.EvaluationReport;
import org.chorale.proto.wire.RunEnded;
import org.chorale.proto.wire.RunEvent;
import org.chorale.proto.wire.ShardFile;
import org.chorale.proto.wire.ShardPlan;
import org.chorale.proto.wire.StepReport;

/** What is to be done in the world after a decision, in the order of the decision's list. */
public sealed interface Effect {
    /** Claim the next generation and look for a checkpoint; answered by {@link RunSignal.GenerationClaimed}. */
    record ClaimGeneration(Team team) implements Effect {}

    /** Ask a worker for the model. */
    record DescribeModel(long generation, WorkerId worker) implements Effect {}

    /**
     * Ask a feeder for the data.
     *
     * @param number for the answer
     */
    record DescribeData(long generation, int number, String feeder) implements Effect {}

    /** Note which data and which config.json the run is about. */
    record RememberInputs(String dataDigest, String configDigest) implements Effect {}

    /** Cut the metrics back to the step of the checkpoint; start them anew where there is none. */
    record OpenMetrics(Optional<Long> resumeStep) implements Effect {}

    /** Make the place where the ranks find each other, and have each load its part of the model. */
    record TakeShard(long generation, Team team, ShardPlan plan, Optional<String> checkpoint, long totalSteps)
            implements Effect {}

    /** Read every byte of the committed checkpoint of a step; answered by {@link RunSignal.CheckpointVerified}. */
    record VerifyCheckpoint(long generation, long step) implements Effect {}

    /** Send workers an order that needs nothing but numbers. */
    record Order(List<WorkerId> workers, WorkerCommand command) implements Effect {
        public Order {
            workers = List.copyOf(workers);
        }
    }

    /** Have the cluster give another place instead of one in which no worker can live. */
    record ReplacePlace(String place, String reason) implements Effect {}

    /** Tell listeners. */
    record Announce(RunEvent event) implements Effect {}

    /** Append to the metrics, and tell listeners. */
    record RecordStep(StepReport report) implements Effect {}

    /** Append to the metrics, and tell listeners. */
    record RecordEvaluation(EvaluationReport report) implements Effect {}

    /**
     * Make the folder of an uncommitted checkpoint and have these workers write into it.
     *
     * @param bytes that the disk must have for it
     */
    record WriteCheckpoint(long generation, long step, long bytes, List<WorkerId> workers) implements Effect {
        public WriteCheckpoint {
            workers = List.copyOf(workers);
        }
    }

    /**
     * Make the checkpoint one, then drop the oldest; answered by {@link RunSignal.Committed}.
     *
     * @param standing of the evaluations up to this step
     * @param files one per rank that writes
     */
    record Commit(
            long generation, long step, int skippedInARow, Standing standing, int worldSize, List<ShardFile> files)
            implements Effect {
        public Commit {
            files = List.copyOf(files);
        }
    }

    /** Have a worker write the result from the committed checkpoint of a step. */
    record Export(long generation, long step, WorkerId worker) implements Effect {}

    /**
     * Wait for what was awaited as long again, and tell listeners that there is work going on.
     *
     * @param done of {@code total}
     * @param total 0 where nothing is counted
     */
    record WaitOn(long done, long total) implements Effect {}

    /** Wait a moment whether more is told, which answers with {@link RunSignal.NothingMore}. */
    record AwaitMore() implements Effect {}

    /**
     * Tell listeners, dismiss everyone, and stop.
     *
     * @param fault where the outcome is FAILED
     * @param message for people
     */
    record End(RunEnded.Outcome outcome, long step, Optional<Fault> fault, String message) implements Effect {}
}
