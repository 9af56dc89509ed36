// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.progress;

import java.util.Optional;
import org.chorale.proto.wire.EvaluationReport;
import org.chorale.proto.wire.RunEvent;
import org.chorale.proto.wire.RunStarted;
import org.chorale.proto.wire.StepReport;

/** What adds up over the events of one start of a run. */
final class RunFigures {
    /** Weight of the past in the moving means: they follow the last ten steps or so. */
    private static final double PAST = 0.9;

    private RunStarted started = RunStarted.getDefaultInstance();
    private StepReport last = StepReport.getDefaultInstance();
    private Optional<EvaluationReport> firstEvaluation = Optional.empty();
    private Optional<EvaluationReport> lastEvaluation = Optional.empty();
    private boolean fromTheStart = true;
    private long steps;
    private long tokens;
    private long tokensCut;
    private long skippedSteps;
    private long recoveries;
    private double seconds;
    private double recentTokens; // moving means, per step
    private double recentSeconds;

    void add(RunEvent event) {
        switch (event.getEventCase()) {
            case STARTED -> started = event.getStarted();
            case STEP -> add(event.getStep());
            case EVALUATION -> add(event.getEvaluation());
            case RECOVERY -> recoveries++;
            default -> {} // nothing in it adds up
        }
    }

    private void add(StepReport step) {
        last = step;
        fromTheStart &= steps > 0 || step.getStep() == started.getFromStep() + 1;
        steps++;
        tokens += step.getTokens();
        tokensCut += step.getTokensCut();
        skippedSteps += step.getSkipped() && !step.getOverflow() ? 1 : 0;
        seconds += step.getSeconds();
        double past = steps == 1 ? 0 : PAST;
        recentTokens = past * recentTokens + (1 - past) * step.getTokens();
        recentSeconds = past * recentSeconds + (1 - past) * step.getSeconds();
    }

    private void add(EvaluationReport evaluation) {
        firstEvaluation = firstEvaluation.or(() -> Optional.of(evaluation));
        lastEvaluation = Optional.of(evaluation);
    }

    RunStarted started() {
        return started;
    }

    /** The step that was done last. */
    StepReport last() {
        return last;
    }

    Optional<EvaluationReport> firstEvaluation() {
        return firstEvaluation;
    }

    Optional<EvaluationReport> lastEvaluation() {
        return lastEvaluation;
    }

    /** Whether this has seen a start's first step: one who looks on may have come later. */
    boolean areFromTheStart() {
        return fromTheStart;
    }

    /** Steps done since the start, or since this looks on. */
    long steps() {
        return steps;
    }

    long tokens() {
        return tokens;
    }

    long tokensCut() {
        return tokensCut;
    }

    long skippedSteps() {
        return skippedSteps;
    }

    long recoveries() {
        return recoveries;
    }

    /** Time spent in steps. */
    double seconds() {
        return seconds;
    }

    double tokensPerSecond() {
        return seconds > 0 ? tokens / seconds : 0;
    }

    double recentTokensPerSecond() {
        return recentSeconds > 0 ? recentTokens / recentSeconds : 0;
    }

    /** Until the last step, at the pace of the recent ones; evaluations and checkpoints come on top. */
    double secondsLeft() {
        return (started.getUntilStep() - last.getStep()) * recentSeconds;
    }

    /** Loss, pace and time left, as both kinds of progress show them; examples may be no text, and have no tokens. */
    String pace() {
        String loss = last.getSkipped() && !last.getOverflow()
                ? "not finite, skipped"
                : "loss " + Wording.loss(last.getLossNats()) + Wording.rewards(last.getMetricsMap());
        String pace = tokens == 0 ? "" : "  %s tokens/s".formatted(Wording.count(Math.round(recentTokensPerSecond())));
        return "%s%s  %s left".formatted(loss, pace, Wording.duration(secondsLeft()));
    }
}
