// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.time.Duration;
import java.util.Optional;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.wire.EvaluationReport;
import org.chorale.proto.wire.ModelOutline;
import org.chorale.proto.wire.RankHolding;
import org.chorale.proto.wire.ShardFile;
import org.chorale.proto.wire.StepReport;

/** What a run can hear, from workers, feeders, nodes, run directory, user and clock. */
public sealed interface RunSignal {
    /** News that counts in one generation only. */
    sealed interface OfGeneration extends RunSignal {
        long generation();
    }

    /** Who comes and goes, which may be heard late, twice and in any order. */
    sealed interface OfCrew extends RunSignal {}

    /** What may come at any time, wherever the run stands. */
    sealed interface Interruption extends RunSignal {}

    /** A worker waits for work. */
    record WorkerJoined(Worker worker) implements OfCrew {}

    /** A worker's process has ended; so have those before it in its place. */
    record WorkerLost(WorkerId worker, String reason) implements OfCrew {}

    /** A worker is ready for a generation: it goes on with none before. */
    record Abandoned(long generation, WorkerId worker) implements OfCrew {}

    /** A feeder waits for work. */
    record FeederJoined(String feeder, int incarnation) implements OfCrew {}

    /** A feeder has ended; so have those before it in its place. */
    record FeederLost(String feeder, int incarnation, String reason) implements OfCrew {}

    /** No worker will ever come in this place. */
    record WorkerUnavailable(String place, Fault fault) implements Interruption {}

    /**
     * The run directory is ours under this generation.
     *
     * @param resume the newest whole checkpoint
     * @param exported whether the result is there already
     */
    record GenerationClaimed(long generation, Optional<ResumePoint> resume, boolean exported) implements RunSignal {}

    /** What model or data are, which may be told twice. */
    sealed interface Description extends OfGeneration {}

    record ModelDescribed(long generation, ModelOutline outline) implements Description {}

    /** @param feeder its number */
    record DataDescribed(long generation, int feeder, DataFacts facts) implements Description {}

    record ShardReady(long generation, int rank, long step, long checkpointBytes, RankHolding holding)
            implements OfGeneration {}

    record StepDone(long generation, int rank, StepReport report) implements OfGeneration {}

    record SpanDone(long generation, int rank, long step) implements OfGeneration {}

    record Evaluated(long generation, int rank, EvaluationReport report) implements OfGeneration {}

    record ShardWritten(long generation, int rank, long step, ShardFile file) implements OfGeneration {}

    /** The manifest of the checkpoint of {@code step} is durable. */
    record Committed(long generation, long step) implements OfGeneration {}

    /** The checkpoint of {@code step} is whole. */
    record CheckpointVerified(long generation, long step) implements OfGeneration {}

    record ModelExported(long generation, long step) implements OfGeneration {}

    /** @param rank -1 where the worker has none yet */
    record WorkerFailed(long generation, int rank, Fault fault) implements OfGeneration, Interruption {}

    /** The data cannot be opened, or a rank cannot go on without a batch that cannot be made. */
    record FeedFailed(long generation, Fault fault) implements OfGeneration, Interruption {}

    /**
     * Whoever is waited for is at work.
     *
     * @param done examples of an evaluation so far
     */
    record StillWorking(long generation, long done) implements OfGeneration {}

    /** Nobody said more in the moment after a fault. */
    record NothingMore() implements RunSignal {}

    /** Nothing that moved the run was heard for this long. */
    record Silence(Duration length) implements Interruption {}

    /** An effect could not be carried out. */
    record EffectFailed(Fault fault) implements Interruption {}

    record StopRequested(String reason) implements Interruption {}
}
