// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.chorale.proto.wire.ShardFile;
import org.chorale.proto.wire.StepReport;

/** A run of three workers on two nodes, played to the plan. */
abstract class PlannedTeam extends PlannedRun {
    static final List<String> PLACES = List.of("a/2", "a/10", "b/0"); // by rank

    long generation = GENERATION;

    final void gather() {
        state = RunPlan.start(Runs.terms("parallel.workers = 3", "checkpoint.every = 2", "run.steps = 9"));
        hear(new RunSignal.FeederJoined("a", 1));
        List.of("b/0", "a/10", "a/2").forEach(place -> hear(joined(place, 1)));
    }

    final void gatherOnOneNode(int workers) {
        IntStream.range(0, workers).forEach(slot -> hear(joined("n/" + slot, 1)));
        hear(new RunSignal.FeederJoined("n", 1));
    }

    /** Those who have gathered, up to the order to load. */
    final void describeAll() {
        hear(new RunSignal.GenerationClaimed(generation, Optional.empty(), false));
        hear(new RunSignal.ModelDescribed(generation, Runs.MODEL));
        hear(new RunSignal.DataDescribed(generation, 0, new DataFacts(10, 5, 0, 0, 100, "abc")));
    }

    /** Up to the first span. */
    final void train3() {
        gather();
        generation = GENERATION;
        describeAll();
        readyAll(3);
    }

    /** Up to the first span, under the terms that were set before. */
    final void trainAsSet() {
        PLACES.forEach(place -> hear(joined(place, 1)));
        hear(new RunSignal.FeederJoined("a", 1));
        describeAll();
        readyAll(3);
    }

    /** Another process in a place, and the next generation up to its first span, from the start. */
    final void comeBack(String place, int incarnation) {
        generation++;
        PLACES.stream()
                .filter(other -> !other.equals(place))
                .forEach(other -> hear(new RunSignal.Abandoned(generation, new WorkerId(other, 1))));
        hear(joined(place, incarnation));
        hear(new RunSignal.GenerationClaimed(generation, Optional.empty(), false));
        readyAll(3);
        assertThat(state).isInstanceOf(RunState.Training.class);
    }

    final void readyAll(int workers) {
        IntStream.range(0, workers).forEach(rank -> ready(rank, 0));
    }

    final void ready(int rank, long step) {
        hear(new RunSignal.ShardReady(generation, rank, step, 100 + rank, HOLDING));
    }

    /** A report of a rank that had one sample, of one token. */
    final void step(int rank, long step) {
        StepReport report = Runs.step(step, false).toBuilder()
                .clearSamples()
                .addSamples(10 * step + rank)
                .setTokens(1)
                .setPaddingTokens(rank)
                .setTokensCut(2)
                .build();
        hear(new RunSignal.StepDone(generation, rank, report));
    }

    final void stepOfAll(long step) {
        IntStream.range(0, 3).forEach(rank -> step(rank, step));
    }

    final void spanOfAll(long from, long until) {
        for (long step = from + 1; step <= until; step++) {
            stepOfAll(step);
        }
        IntStream.range(0, 3).forEach(rank -> hear(new RunSignal.SpanDone(generation, rank, until)));
    }

    final void commitAll(long step) {
        IntStream.range(0, 3).forEach(rank -> written(rank, step));
        hear(new RunSignal.Committed(generation, step));
    }

    final void written(int rank, long step) {
        ShardFile file = ShardFile.newBuilder().setRank(rank).build();
        hear(new RunSignal.ShardWritten(generation, rank, step, file));
    }

    final void abandoned(String place) {
        hear(new RunSignal.Abandoned(generation + 1, new WorkerId(place, 1)));
    }

    static Worker worker(String place, int incarnation) {
        return new Worker(new WorkerId(place, incarnation), "host", "cpu");
    }

    static RunSignal joined(String place, int incarnation) {
        return new RunSignal.WorkerJoined(worker(place, incarnation));
    }

    static RunSignal lost(String place, int incarnation) {
        return new RunSignal.WorkerLost(new WorkerId(place, incarnation), "signal 9");
    }
}
