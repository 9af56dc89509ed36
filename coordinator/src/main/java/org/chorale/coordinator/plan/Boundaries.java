// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.util.List;
import java.util.Optional;
import org.chorale.coordinator.plan.RunState.Checkpointing;
import org.chorale.coordinator.plan.RunState.Committing;
import org.chorale.coordinator.plan.RunState.Evaluating;
import org.chorale.coordinator.plan.RunState.UnderWay;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.message.WorkerCommand.Evaluate;
import org.chorale.proto.wire.EvaluationReport;
import org.chorale.proto.wire.ShardFile;

/**
 * What is due between two spans: an evaluation, then a checkpoint, then to go on. A stop does not skip an evaluation
 * that is due.
 */
final class Boundaries {
    private Boundaries() {}

    /** @param from where the span began: a boundary that it never left was dealt with before it */
    static Decision reach(UnderWay state, long from) {
        boolean movedOn = state.step() > from;
        return movedOn && state.course().evaluationDue(state.step()) ? evaluate(state) : checkpointIfDue(state);
    }

    static Decision evaluate(UnderWay state) {
        Team team = state.team();
        return Decision.of(
                new Evaluating(state.leg(), Answers.of(team.ranks())),
                new Effect.Order(team.ids(), new Evaluate(state.generation(), state.step())));
    }

    /** All ranks find the same, so that the first one's figures are the run's. */
    static Decision onEvaluated(Evaluating state, RunSignal.Evaluated evaluated) {
        long step = evaluated.report().getStep();
        if (step != state.step() || !state.reports().lacks(evaluated.rank())) {
            return Ending.unexpected(
                    state, "an evaluation at step %d was reported by rank %d".formatted(step, evaluated.rank()));
        }
        Answers<EvaluationReport> all = state.reports().with(evaluated.rank(), evaluated.report());
        return all.complete() ? compare(state, all.inOrder().get(0)) : Decision.of(new Evaluating(state.leg(), all));
    }

    private static Decision compare(Evaluating state, EvaluationReport report) {
        RunTerms terms = state.terms();
        Optional<Fault> incomparable = Fitness.incomparable(terms, report);
        if (incomparable.isPresent()) {
            return Ending.fail(state, incomparable.get());
        }
        Progress compared = state.progress().after(report, terms.evaluation().metric());
        boolean best = compared.standing().isBest(state.step());
        return checkpointIfDue(state.with(compared))
                .after(new Effect.RecordEvaluation(
                        report.toBuilder().setBest(best).build()));
    }

    private static Decision checkpointIfDue(UnderWay state) {
        if (!state.course().checkpointDue(state.progress())) {
            return goOn(state);
        }
        List<Integer> writers = state.leg().writers();
        return Decision.of(
                new Checkpointing(state.leg(), Answers.of(writers)),
                new Effect.WriteCheckpoint(
                        state.generation(),
                        state.step(),
                        state.course().checkpointBytes(),
                        state.team().ids(writers)));
    }

    static Decision onShardWritten(Checkpointing state, RunSignal.ShardWritten written) {
        boolean expected = written.step() == state.step()
                && written.file().getRank() == written.rank()
                && state.files().lacks(written.rank());
        if (!expected) {
            return Ending.unexpected(
                    state, "files of step %d were written by rank %d".formatted(written.step(), written.rank()));
        }
        Answers<ShardFile> all = state.files().with(written.rank(), written.file());
        return all.complete() ? commit(state, all) : Decision.of(new Checkpointing(state.leg(), all));
    }

    private static Decision commit(UnderWay state, Answers<ShardFile> files) {
        Effect commit = new Effect.Commit(
                state.generation(),
                state.step(),
                state.progress().skippedInARow(),
                state.progress().standing(),
                state.team().size(),
                files.inOrder());
        return Decision.of(new Committing(state.leg()), commit);
    }

    static Decision onCommitted(Committing state, RunSignal.Committed committed) {
        return committed.step() == state.step()
                ? goOn(state.with(state.progress().committed()))
                : Ending.unexpected(state, "a checkpoint of step " + committed.step() + " was committed");
    }

    /** Everything that was due at this step is done: stop, export, or grant the next span. */
    static Decision goOn(UnderWay state) {
        Progress progress = state.progress();
        if (progress.stopping()) {
            return Ending.stop(state, progress.stopReason().orElseThrow());
        }
        return state.course().complete(progress) ? Ending.export(state) : Spans.grant(state);
    }
}
