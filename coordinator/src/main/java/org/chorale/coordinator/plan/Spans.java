// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.util.List;
import java.util.Optional;
import org.chorale.coordinator.plan.RunState.Training;
import org.chorale.coordinator.plan.RunState.UnderWay;
import org.chorale.proto.message.WorkerCommand.RunSteps;
import org.chorale.proto.wire.StepReport;

/** Steps between two boundaries, which the ranks run without asking. */
final class Spans {
    private Spans() {}

    static Decision grant(UnderWay state) {
        long from = state.step();
        long until = state.course().nextBoundary(from);
        Team team = state.team();
        Training training =
                new Training(state.leg(), from, until, StepReports.none(from, team.size()), Answers.of(team.ranks()));
        return Decision.of(training, new Effect.Order(team.ids(), new RunSteps(state.generation(), from, until)));
    }

    /** Each rank reports its steps in order; one that all have reported is recorded. */
    static Decision onStepDone(Training state, RunSignal.StepDone done) {
        long step = done.report().getStep();
        return Optional.of(state.reports())
                .filter(reports -> state.ended().lacks(done.rank()) && step <= state.until())
                .flatMap(reports -> reports.with(done.rank(), done.report()))
                .map(reports -> recordOnceAllHave(state, reports))
                .orElseGet(
                        () -> Ending.unexpected(state, "step %d was reported by rank %d".formatted(step, done.rank())));
    }

    private static Decision recordOnceAllHave(Training state, StepReports reports) {
        return reports.next()
                .map(all -> record(state.with(reports.advanced()), all))
                .orElseGet(() -> Decision.of(state.with(reports)));
    }

    private static Decision record(Training state, List<StepReport> ofRanks) {
        StepReport report = StepReports.merged(ofRanks);
        if (ofRanks.stream().anyMatch(other -> other.getSkipped() != report.getSkipped())) {
            return Ending.unexpected(state, "step %d was finite on some ranks only".formatted(report.getStep()));
        }
        Training next = state.with(state.leg().with(state.progress().after(report)));
        int skippedInARow = next.progress().skippedInARow();
        Decision decision = skippedInARow > state.terms().run().nonFiniteSteps()
                ? Ending.fail(next, Fitness.notFinite(report, skippedInARow))
                : endOnceAllHave(next);
        return decision.after(new Effect.RecordStep(report));
    }

    static Decision onSpanDone(Training state, RunSignal.SpanDone done) {
        boolean inTime = done.step() == state.until() || state.progress().stopping();
        boolean expected = inTime
                && state.ended().lacks(done.rank())
                && done.step() == state.reports().last(done.rank());
        return expected
                ? endOnceAllHave(state.with(state.ended().with(done.rank(), done.step())))
                : Ending.unexpected(state, "the span ended at step %d on rank %d".formatted(done.step(), done.rank()));
    }

    /** All ranks end a span after the same step, whoever of them was told first to stop. */
    private static Decision endOnceAllHave(Training state) {
        if (!state.ended().complete()) {
            return Decision.of(state);
        } else if (state.ended().given().values().stream().anyMatch(step -> step != state.step())) {
            return Ending.unexpected(
                    state, "the span ended at different steps: " + state.ended().inOrder());
        }
        return Boundaries.reach(state, state.from());
    }
}
