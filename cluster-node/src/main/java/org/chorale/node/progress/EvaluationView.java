// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.progress;

import java.io.PrintStream;
import java.util.Locale;
import java.util.Optional;
import org.chorale.proto.wire.EvaluationReport;
import org.chorale.proto.wire.RunEvent;

/** An evaluation by itself: on a terminal how far it is, and its figures once they are there. */
public final class EvaluationView implements RunView {
    private final int columns;
    private final Optional<TerminalLine> line;
    private volatile Optional<EvaluationReport> report = Optional.empty();

    /**
     * @param out where progress is drawn
     * @param drawn whether it is
     * @param columns of the terminal
     */
    public EvaluationView(PrintStream out, boolean drawn, int columns) {
        this.columns = columns - 1; // a full line would wrap
        this.line = drawn ? Optional.of(new TerminalLine(out)) : Optional.empty();
    }

    @Override
    public void show(RunEvent event) {
        if (event.hasWorking()) {
            String text = Wording.working(event.getWorking());
            line.ifPresent(drawn -> drawn.draw(text.substring(0, Math.min(text.length(), columns))));
        } else if (event.hasEvaluation()) {
            report = Optional.of(event.getEvaluation());
        } else if (event.hasEnded()) {
            line.ifPresent(TerminalLine::erase);
        }
    }

    /** What was measured; empty where the evaluation has failed. */
    public Optional<EvaluationReport> report() {
        return report;
    }

    /** A line per figure, for people. */
    public static String lines(EvaluationReport report) {
        String exact = report.getJudged() == 0
                ? ""
                : field(
                        "exact match",
                        "%s (%s of %s)"
                                .formatted(
                                        Wording.percent(report.getExact(), report.getJudged()),
                                        Wording.count(report.getExact()),
                                        Wording.count(report.getJudged())));
        return field("loss", Wording.loss(report.getLossNats()))
                + field("perplexity", String.format(Locale.ROOT, "%.4g", Math.exp(report.getLossNats())))
                + exact
                + field("examples", Wording.count(report.getExamples()))
                + field(
                        "tokens",
                        "%s, %s of them trained"
                                .formatted(Wording.count(report.getTokens()), Wording.count(report.getTrainedTokens())))
                + field(
                        "time",
                        "%s, %s tokens/s"
                                .formatted(
                                        Wording.duration(report.getSeconds()),
                                        Wording.count(Math.round(report.getTokens() / report.getSeconds()))));
    }

    private static String field(String name, String value) {
        return String.format(Locale.ROOT, "%-14s%s%n", name, value);
    }
}
