// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.time.Duration;
import java.util.Optional;
import org.chorale.proto.batch.Feed;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.wire.EvaluationReport;
import org.chorale.proto.wire.ModelOutline;
import org.chorale.proto.wire.ShardFile;
import org.chorale.proto.wire.StepReport;

/** What a run can hear, from worker, feeder, run directory, user and clock. */
public sealed interface RunSignal {
    /** News that counts in one generation only. */
    sealed interface OfGeneration extends RunSignal {
        long generation();
    }

    /** What may come at any time, wherever the run stands. */
    sealed interface Interruption extends RunSignal {}

    /**
     * A worker waits for work.
     *
     * @param name of it, for messages to people
     */
    record WorkerJoined(String name) implements RunSignal {}

    /**
     * The run directory is ours under this generation.
     *
     * @param resume the newest whole checkpoint
     * @param exported whether the result is there already
     */
    record GenerationClaimed(long generation, Optional<ResumePoint> resume, boolean exported) implements RunSignal {}

    record ModelDescribed(long generation, ModelOutline outline) implements OfGeneration {}

    record DataDescribed(long generation, DataFacts facts) implements OfGeneration {}

    record ShardReady(long generation, long step, long checkpointBytes) implements OfGeneration {}

    record StepDone(long generation, StepReport report) implements OfGeneration {}

    record SpanDone(long generation, long step) implements OfGeneration {}

    record Evaluated(long generation, EvaluationReport report) implements OfGeneration {}

    record ShardWritten(long generation, long step, ShardFile file) implements OfGeneration {}

    /** The manifest of the checkpoint of {@code step} is durable. */
    record Committed(long generation, long step) implements OfGeneration {}

    record ModelExported(long generation, long step) implements OfGeneration {}

    /** The checkpoint in {@code folder} is whole. */
    record CheckpointVerified(long generation, String folder) implements OfGeneration {}

    record WorkerFailed(long generation, Fault fault) implements OfGeneration, Interruption {}

    /** @param feed that broke; empty where the data could not be opened */
    record FeedFailed(long generation, Optional<Feed> feed, Fault fault) implements OfGeneration, Interruption {}

    /**
     * Whoever is waited for is at work.
     *
     * @param done examples of an evaluation so far
     */
    record StillWorking(long generation, long done) implements OfGeneration {}

    /** Nobody said more in the moment after a fault. */
    record NothingMore() implements RunSignal {}

    /** The worker is gone without a word. */
    record WorkerLost() implements Interruption {}

    /** Nothing that moved the run was heard for this long. */
    record Silence(Duration length) implements Interruption {}

    /** An effect could not be carried out. */
    record EffectFailed(Fault fault) implements Interruption {}

    record StopRequested(String reason) implements Interruption {}
}
