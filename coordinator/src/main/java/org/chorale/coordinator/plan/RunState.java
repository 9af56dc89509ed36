// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.wire.EvaluationReport;
import org.chorale.proto.wire.ShardFile;

/** Where a run stands. Each stage holds what is known in it, and knows what it waits for. */
public sealed interface RunState {
    /** What outlives the generation. */
    Footing footing();

    RunState with(Footing changed);

    /** The generation that messages must carry; 0 before there is any. */
    long generation();

    /** Optimizer steps done and recorded; where a generation has yet to form, those that are committed. */
    long step();

    /** What would make the run go on, and who owes it, as the end of a sentence: "the run waits for ...". */
    String awaited();

    default RunTerms terms() {
        return footing().terms();
    }

    /**
     * Not as many are there as the run needs, or not all of them have left the generation before.
     *
     * @param generation that whoever is there was told to make ready for; 0 where there was none before
     * @param step committed, as far as is known
     * @param leaving those that go on with the generation before, until they say otherwise
     */
    record Gathering(Footing footing, long generation, long step, Set<WorkerId> leaving) implements RunState {
        public Gathering {
            leaving = Set.copyOf(leaving);
        }

        @Override
        public Gathering with(Footing changed) {
            return new Gathering(changed, generation, step, leaving);
        }

        boolean awaits(RunSignal.Abandoned abandoned) {
            return abandoned.generation() == generation && leaving.contains(abandoned.worker());
        }

        /** Nobody in this place has anything to leave any more. */
        Gathering without(String place) {
            Set<WorkerId> others = leaving.stream()
                    .filter(worker -> !worker.place().equals(place))
                    .collect(Collectors.toSet());
            return new Gathering(footing, generation, step, others);
        }

        @Override
        public String awaited() {
            return Wording.missing(footing, leaving);
        }
    }

    /** All are there; the run directory is asked for a generation and a checkpoint. */
    record Claiming(Footing footing, Team team, long generation, long step) implements RunState {
        @Override
        public Claiming with(Footing changed) {
            return new Claiming(changed, team, generation, step);
        }

        @Override
        public String awaited() {
            return "a generation to be claimed in the run directory";
        }
    }

    /**
     * Rank 0 and the feeders say what model and data are, where that is not known from an earlier generation.
     *
     * @param exported whether the result is there already
     */
    record Describing(Footing footing, Team team, long generation, Optional<ResumePoint> resume, boolean exported)
            implements RunState {
        @Override
        public Describing with(Footing changed) {
            return new Describing(changed, team, generation, resume, exported);
        }

        Describing with(Knowledge changed) {
            return with(footing.with(changed));
        }

        @Override
        public long step() {
            return resume.map(ResumePoint::step).orElse(0L);
        }

        /** Feeders that have yet to describe the data. */
        List<String> undescribed() {
            return footing.knowledge().missing(team.feeders());
        }

        @Override
        public String awaited() {
            boolean model = footing.knowledge().model().isEmpty();
            boolean data = !undescribed().isEmpty();
            return (data ? "the description of the data from " + Wording.feeders(undescribed()) : "")
                    + (data && model ? " and " : "")
                    + (model ? "the outline of the model from " + team.named(List.of(0)) : "");
        }
    }

    /** The stages in which all ranks have, or are getting, their shards. */
    sealed interface UnderWay extends RunState {
        Leg leg();

        UnderWay with(Leg changed);

        default UnderWay with(Progress changed) {
            return with(leg().with(changed));
        }

        @Override
        default UnderWay with(Footing changed) {
            return with(leg().with(changed));
        }

        @Override
        default Footing footing() {
            return leg().footing();
        }

        default Course course() {
            return leg().course();
        }

        default Progress progress() {
            return leg().progress();
        }

        default Team team() {
            return leg().team();
        }

        @Override
        default long generation() {
            return leg().generation();
        }

        @Override
        default long step() {
            return leg().step();
        }
    }

    /** Every rank reads its part of the model. */
    record Loading(Leg leg, Answers<RunSignal.ShardReady> ready) implements UnderWay {
        @Override
        public Loading with(Leg changed) {
            return new Loading(changed, ready);
        }

        @Override
        public String awaited() {
            return "the model at step %d to be loaded by %s".formatted(step(), team().named(ready.missing()));
        }
    }

    /**
     * A span is granted: all ranks run the steps after {@code from} up to and including {@code until}.
     *
     * @param ended the step after which each rank has ended the span
     */
    record Training(Leg leg, long from, long until, StepReports reports, Answers<Long> ended) implements UnderWay {
        @Override
        public Training with(Leg changed) {
            return new Training(changed, from, until, reports, ended);
        }

        Training with(StepReports changed) {
            return new Training(leg, from, until, changed, ended);
        }

        Training with(Answers<Long> changed) {
            return new Training(leg, from, until, reports, changed);
        }

        @Override
        public String awaited() {
            return step() < until && ended.given().isEmpty()
                    ? "step %d of the span up to step %d from %s"
                            .formatted(step() + 1, until, team().named(reports.missing()))
                    : "the end of the span at step %d from %s".formatted(step(), team().named(ended.missing()));
        }
    }

    /** All ranks measure the held-out examples. */
    record Evaluating(Leg leg, Answers<EvaluationReport> reports) implements UnderWay {
        @Override
        public Evaluating with(Leg changed) {
            return new Evaluating(changed, reports);
        }

        @Override
        public String awaited() {
            return "the evaluation at step %d from %s".formatted(step(), team().named(reports.missing()));
        }
    }

    /** The ranks of the first shard group write their parts of a checkpoint. */
    record Checkpointing(Leg leg, Answers<ShardFile> files) implements UnderWay {
        @Override
        public Checkpointing with(Leg changed) {
            return new Checkpointing(changed, files);
        }

        @Override
        public String awaited() {
            return "the files of the checkpoint of step %d from %s".formatted(step(), team().named(files.missing()));
        }
    }

    /** All parts are written; the manifest is not yet. */
    record Committing(Leg leg) implements UnderWay {
        @Override
        public Committing with(Leg changed) {
            return new Committing(changed);
        }

        @Override
        public String awaited() {
            return "the checkpoint of step %d to be committed in the run directory".formatted(step());
        }
    }

    /** All steps are done and committed; the best checkpoint, which is to be exported, is read once more. */
    record Verifying(Leg leg, long bestStep) implements UnderWay {
        @Override
        public Verifying with(Leg changed) {
            return new Verifying(changed, bestStep);
        }

        @Override
        public String awaited() {
            return "the best checkpoint, of step %d, to be checked in the run directory".formatted(bestStep);
        }
    }

    /** All steps are done and committed; rank 0 writes the result, the model as it was after {@code exported} steps. */
    record Exporting(Leg leg, long exported) implements UnderWay {
        @Override
        public Exporting with(Leg changed) {
            return new Exporting(changed, exported);
        }

        @Override
        public String awaited() {
            return "the export of step %d from %s".formatted(exported, team().named(List.of(0)));
        }
    }

    /** A rank could not reach another. Who was lost, or what was wrong there, may be told in a moment. */
    record Settling(Leg leg, Loss loss) implements UnderWay {
        @Override
        public Settling with(Leg changed) {
            return new Settling(changed, loss);
        }

        @Override
        public String awaited() {
            return "word of what happened: " + loss.reason();
        }
    }

    /** Model or data cannot be used. What is wrong with the other is told together, if it comes to light at once. */
    record Failing(Footing footing, long generation, long step, Fault fault) implements RunState {
        @Override
        public Failing with(Footing changed) {
            return new Failing(changed, generation, step, fault);
        }

        @Override
        public String awaited() {
            return "whether there is more to tell";
        }
    }

    /** The run is over, and nothing is waited for. */
    record Ended(Footing footing, long generation, long step) implements RunState {
        @Override
        public Ended with(Footing changed) {
            return new Ended(changed, generation, step);
        }

        @Override
        public String awaited() {
            return "nothing";
        }
    }
}
