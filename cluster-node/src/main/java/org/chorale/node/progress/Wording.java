// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.progress;

import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import org.chorale.proto.wire.CheckpointCommitted;
import org.chorale.proto.wire.EvaluationReport;
import org.chorale.proto.wire.RecoveryBegan;
import org.chorale.proto.wire.RunStarted;
import org.chorale.proto.wire.StillWorking;
import org.chorale.proto.wire.WorkersAwaited;

/** How figures are written, the same in every locale. */
final class Wording {
    private static final double PERCENT = 100;

    private Wording() {}

    /** 12,345. */
    static String count(long number) {
        return String.format(Locale.ROOT, "%,d", number);
    }

    /** Four decimals; below 0.01, where they would say little, three digits and the magnitude. */
    static String loss(double nats) {
        return String.format(Locale.ROOT, Math.abs(nats) < 0.01 ? "%.2e" : "%.4f", nats);
    }

    /** 94.5 %. Rounded down, so that 100 % means all. */
    static String percent(long part, long whole) {
        double tenths = Math.floor(PERCENT * 10 * part / whole);
        return String.format(Locale.ROOT, "%.1f %%", tenths / 10);
    }

    /** 8s, 1m 32s, 2h 05m. */
    static String duration(double seconds) {
        Duration duration = Duration.ofMillis(Math.round(seconds * 1000));
        if (duration.toHours() > 0) {
            return String.format(Locale.ROOT, "%dh %02dm", duration.toHours(), duration.toMinutesPart());
        }
        return duration.toMinutes() > 0
                ? String.format(Locale.ROOT, "%dm %02ds", duration.toMinutes(), duration.toSecondsPart())
                : duration.toSeconds() + "s";
    }

    /** A run's best evaluation. */
    static String best(EvaluationReport report) {
        String exact = report.getJudged() == 0 ? "" : ", exact match " + percent(report.getExact(), report.getJudged());
        return "step %s: loss %s%s".formatted(count(report.getStep()), loss(report.getLossNats()), exact);
    }

    /** What a loss over preferences has to say beside its value; nothing for any other loss. */
    static String rewards(Map<String, Double> metrics) {
        Double accuracy = metrics.get("rewards.accuracy");
        Double margin = metrics.get("rewards.margin");
        String said = margin == null ? "" : "  margin " + loss(margin);
        return accuracy == null ? said : said + String.format(Locale.ROOT, "  accuracy %.1f %%", PERCENT * accuracy);
    }

    /** One line for one evaluation; examples without a completion have nothing to match. */
    static String evaluation(EvaluationReport report) {
        String exact = report.getJudged() == 0
                ? ""
                : "exact match %s (%s of %s), "
                        .formatted(
                                percent(report.getExact(), report.getJudged()),
                                count(report.getExact()),
                                count(report.getJudged()));
        return "evaluation at step %s: %sloss %s%s"
                .formatted(count(report.getStep()), exact, loss(report.getLossNats()), rewards(report.getMetricsMap()));
    }

    /** What is waited for, and how far it is where that is known. */
    static String working(StillWorking working) {
        String count = working.getTotal() == 0
                ? ""
                : "%s of %s: ".formatted(count(working.getDone()), count(working.getTotal()));
        return count + working.getAwaited();
    }

    /** Workers that the run has not got yet. */
    static String awaited(WorkersAwaited awaited) {
        return "%s of %s workers: waiting for %s"
                .formatted(count(awaited.getWorkers()), count(awaited.getWanted()), awaited.getAwaited());
    }

    /** Why the run goes back, and how far; of a process's last words only the first line. */
    static String recovery(RecoveryBegan recovery) {
        String reason = recovery.getReason().lines().findFirst().orElse("");
        return "worker %s was lost after step %s: %s; going on from step %s with another"
                .formatted(recovery.getWorker(), count(recovery.getStep()), reason, count(recovery.getFromStep()));
    }

    /** What there is to do. */
    static String start(RunStarted started) {
        String from = started.getFromStep() == 0 ? "starting" : "going on after step " + count(started.getFromStep());
        String workers = started.getWorldSize() > 1 ? " on %s workers".formatted(count(started.getWorldSize())) : "";
        return "%s%s: %s steps in all, %s parameters, %s examples"
                .formatted(
                        from,
                        workers,
                        count(started.getUntilStep()),
                        count(started.getParameters()),
                        count(started.getExamples()));
    }

    /** Where a run could go on. */
    static String checkpoint(CheckpointCommitted checkpoint) {
        return "checkpoint at step %s: %s (%s bytes)"
                .formatted(count(checkpoint.getStep()), checkpoint.getPath(), count(checkpoint.getBytes()));
    }
}
