// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.progress;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.chorale.proto.wire.EvaluationReport;
import org.chorale.proto.wire.RunEnded;

/** The last lines of a run. */
final class RunSummary {
    private final RunFigures figures;
    private final List<String> lines = new ArrayList<>();

    private RunSummary(RunFigures figures) {
        this.figures = figures;
    }

    /**
     * A headline, and a line for each figure that there is.
     *
     * @param seconds since the program began with the run
     */
    static List<String> lines(RunFigures figures, RunEnded ended, double seconds) {
        RunSummary summary = new RunSummary(figures);
        summary.lines.add(summary.headline(ended, seconds) + summary.why(ended));
        if (figures.steps() > 0) {
            summary.addSteps();
        }
        summary.addEvaluations();
        if (ended.hasBest()) {
            summary.add("best", Wording.best(ended.getBest()) + ", " + ended.getBestPath());
        }
        summary.addLosses();
        if (!ended.getExportPath().isEmpty()) {
            summary.add("export", ended.getExportPath());
        }
        return summary.lines;
    }

    private String headline(RunEnded ended, double seconds) {
        String how = switch (ended.getOutcome()) {
            case FINISHED -> "finished";
            case STOPPED -> "stopped";
            default -> "failed";
        };
        return "%s at step %s%s %s"
                .formatted(
                        how,
                        Wording.count(ended.getStep()),
                        figures.areFromTheStart() ? " after" : ", watched for",
                        Wording.duration(seconds));
    }

    /** Where a finished run did nothing, or ended before its last step. */
    private String why(RunEnded ended) {
        boolean unusual =
                figures.steps() == 0 || ended.getStep() < figures.started().getUntilStep();
        return unusual
                        && ended.getOutcome() == RunEnded.Outcome.FINISHED
                        && !ended.getMessage().isEmpty()
                ? ": " + ended.getMessage()
                : "";
    }

    private void addSteps() {
        add(
                "steps",
                Wording.count(figures.steps())
                        + (figures.areFromTheStart() ? " in this start" : " while it was watched"));
        if (figures.tokens() > 0) {
            add(
                    "tokens",
                    "%s at %s per second of training"
                            .formatted(
                                    Wording.count(figures.tokens()),
                                    Wording.count(Math.round(figures.tokensPerSecond()))));
        }
        add("loss", Wording.loss(figures.last().getLossNats()));
    }

    private void addEvaluations() {
        Optional<EvaluationReport> judged = figures.lastEvaluation().filter(evaluation -> evaluation.getJudged() > 0);
        if (judged.isEmpty()) {
            return;
        }
        EvaluationReport first = figures.firstEvaluation().orElseThrow();
        EvaluationReport last = judged.get();
        String after = Wording.percent(last.getExact(), last.getJudged());
        add(
                "exact match",
                first.getStep() == last.getStep()
                        ? after
                        : "%s -> %s (steps %s and %s)"
                                .formatted(
                                        Wording.percent(first.getExact(), first.getJudged()),
                                        after,
                                        Wording.count(first.getStep()),
                                        Wording.count(last.getStep())));
    }

    /** What a user would rather not find out later. */
    private void addLosses() {
        addIfAny("recoveries", figures.recoveries());
        addIfAny("malformed rows skipped", figures.started().getRowsSkipped());
        addIfAny("tokens cut", figures.tokensCut());
        addIfAny("steps not finite", figures.skippedSteps());
    }

    private void addIfAny(String name, long number) {
        if (number > 0) {
            add(name, Wording.count(number));
        }
    }

    private void add(String name, String value) {
        lines.add(String.format(Locale.ROOT, "  %-24s%s", name, value));
    }
}
