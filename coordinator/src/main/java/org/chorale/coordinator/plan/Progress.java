// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.util.Optional;
import org.chorale.coordinator.plan.EvaluationSettings.Metric;
import org.chorale.proto.wire.EvaluationReport;
import org.chorale.proto.wire.StepReport;

/**
 * How far a run is.
 *
 * @param step optimizer steps done and recorded, skipped ones included
 * @param skippedInARow of them, the last ones that were not finite
 * @param committedStep of the newest committed checkpoint, 0 where there is none
 * @param standing of its evaluations
 * @param stopReason where the run was asked to stop
 */
record Progress(long step, int skippedInARow, long committedStep, Standing standing, Optional<String> stopReason) {
    static Progress from(Optional<ResumePoint> resume) {
        return resume.map(point -> new Progress(
                        point.step(), point.skippedInARow(), point.step(), point.standing(), Optional.empty()))
                .orElse(new Progress(0, 0, 0, Standing.NONE, Optional.empty()));
    }

    boolean stopping() {
        return stopReason.isPresent();
    }

    /** A step that overflowed while the loss scale adapts is no sign of anything: it neither counts nor ends a row. */
    Progress after(StepReport report) {
        int skipped = report.getSkipped() ? skippedInARow + 1 : 0;
        return new Progress(
                report.getStep(), report.getOverflow() ? skippedInARow : skipped, committedStep, standing, stopReason);
    }

    Progress after(EvaluationReport report, Metric metric) {
        return new Progress(step, skippedInARow, committedStep, standing.after(report, metric), stopReason);
    }

    Progress committed() {
        return new Progress(step, skippedInARow, step, standing, stopReason);
    }

    Progress stopping(String reason) {
        return new Progress(step, skippedInARow, committedStep, standing, Optional.of(reason));
    }
}
