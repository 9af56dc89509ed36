// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.util.Optional;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.wire.ModelOutline;

/** Where a run stands. Each stage holds what is known in it, and knows what it waits for. */
public sealed interface RunState {
    RunTerms terms();

    /** The generation that messages must carry; 0 before one is claimed. */
    long generation();

    /** Optimizer steps done and recorded. */
    long step();

    /** What would make the run go on, and who owes it, as the end of a sentence: "the run waits for ...". */
    String awaited();

    /** Nobody is there to train. */
    record Joining(RunTerms terms) implements RunState {
        @Override
        public long generation() {
            return 0;
        }

        @Override
        public long step() {
            return 0;
        }

        @Override
        public String awaited() {
            return "a worker to join";
        }
    }

    /** A worker is there; the run directory is asked for a generation and a checkpoint. */
    record Claiming(RunTerms terms, String worker) implements RunState {
        @Override
        public long generation() {
            return 0;
        }

        @Override
        public long step() {
            return 0;
        }

        @Override
        public String awaited() {
            return "a generation to be claimed in the run directory";
        }
    }

    /** Worker and feeder say what model and data are. */
    record Describing(
            RunTerms terms,
            String worker,
            long generation,
            Optional<ResumePoint> resume,
            boolean exported,
            Optional<ModelOutline> model,
            Optional<DataFacts> data)
            implements RunState {
        @Override
        public long step() {
            return resume.map(ResumePoint::step).orElse(0L);
        }

        @Override
        public String awaited() {
            if (data.isPresent()) {
                return "the outline of the model from " + worker;
            }
            return "the description of the data from the feeder"
                    + (model.isPresent() ? "" : " and the outline of the model from " + worker);
        }

        Describing with(ModelOutline outline) {
            return new Describing(terms, worker, generation, resume, exported, Optional.of(outline), data);
        }

        Describing with(DataFacts facts) {
            return new Describing(terms, worker, generation, resume, exported, model, Optional.of(facts));
        }
    }

    /** The stages in which the worker has, or is getting, its shard. */
    sealed interface UnderWay extends RunState {
        Course course();

        Progress progress();

        UnderWay with(Progress progress);

        @Override
        default RunTerms terms() {
            return course().terms();
        }

        @Override
        default long generation() {
            return course().generation();
        }

        @Override
        default long step() {
            return progress().step();
        }
    }

    /** The worker reads its part of the model. */
    record Loading(Course course, Progress progress) implements UnderWay {
        @Override
        public Loading with(Progress changed) {
            return new Loading(course, changed);
        }

        @Override
        public String awaited() {
            return "%s to load the model at step %d".formatted(course.worker(), step());
        }
    }

    /** A span is granted: the worker runs the steps after {@code from} up to and including {@code until}. */
    record Training(Course course, Progress progress, long from, long until) implements UnderWay {
        @Override
        public Training with(Progress changed) {
            return new Training(course, changed, from, until);
        }

        @Override
        public String awaited() {
            return step() < until
                    ? "step %d of the span up to step %d from %s".formatted(step() + 1, until, course.worker())
                    : "the end of the span at step %d from %s".formatted(until, course.worker());
        }
    }

    /** The worker measures the held-out examples. */
    record Evaluating(Course course, Progress progress) implements UnderWay {
        @Override
        public Evaluating with(Progress changed) {
            return new Evaluating(course, changed);
        }

        @Override
        public String awaited() {
            return "the evaluation at step %d from %s".formatted(step(), course.worker());
        }
    }

    /** The worker writes its part of a checkpoint. */
    record Checkpointing(Course course, Progress progress) implements UnderWay {
        @Override
        public Checkpointing with(Progress changed) {
            return new Checkpointing(course, changed);
        }

        @Override
        public String awaited() {
            return "the files of the checkpoint of step %d from %s".formatted(step(), course.worker());
        }
    }

    /** All parts are written; the manifest is not yet. */
    record Committing(Course course, Progress progress) implements UnderWay {
        @Override
        public Committing with(Progress changed) {
            return new Committing(course, changed);
        }

        @Override
        public String awaited() {
            return "the checkpoint of step %d to be committed in the run directory".formatted(step());
        }
    }

    /** All steps are done and committed; the worker writes the result, the model as it was after {@code exported} steps. */
    record Exporting(Course course, Progress progress, long exported) implements UnderWay {
        @Override
        public Exporting with(Progress changed) {
            return new Exporting(course, changed, exported);
        }

        @Override
        public String awaited() {
            return "the export of step %d from %s".formatted(exported, course.worker());
        }
    }

    /** All steps are done and committed; the worker reads the best checkpoint, which is to be exported. */
    record Recalling(Course course, Progress progress, long bestStep, boolean verified) implements UnderWay {
        @Override
        public Recalling with(Progress changed) {
            return new Recalling(course, changed, bestStep, verified);
        }

        @Override
        public String awaited() {
            return verified
                    ? "%s to load the best checkpoint, of step %d".formatted(course.worker(), bestStep)
                    : "the best checkpoint, of step %d, to be checked in the run directory".formatted(bestStep);
        }
    }

    /** Model or data cannot be used. What is wrong with the other is told together, if it comes to light at once. */
    record Failing(RunTerms terms, long generation, long step, Fault fault) implements RunState {
        @Override
        public String awaited() {
            return "whether there is more to tell";
        }
    }

    /** The run is over, and nothing is waited for. */
    record Ended(RunTerms terms, long generation, long step) implements RunState {
        @Override
        public String awaited() {
            return "nothing";
        }
    }
}
