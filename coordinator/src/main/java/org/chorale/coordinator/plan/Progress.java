// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.util.Optional;
import org.chorale.proto.wire.StepReport;

/**
 * How far a run is.
 *
 * @param step optimizer steps done and recorded, skipped ones included
 * @param skippedInARow of them, the last ones that were not finite
 * @param committedStep of the newest committed checkpoint, 0 where there is none
 * @param stopReason where the run was asked to stop
 */
record Progress(long step, int skippedInARow, long committedStep, Optional<String> stopReason) {
    static Progress from(Optional<ResumePoint> resume) {
        return resume.map(point -> new Progress(point.step(), point.skippedInARow(), point.step(), Optional.empty()))
                .orElse(new Progress(0, 0, 0, Optional.empty()));
    }

    boolean stopping() {
        return stopReason.isPresent();
    }

    Progress after(StepReport report) {
        return new Progress(report.getStep(), report.getSkipped() ? skippedInARow + 1 : 0, committedStep, stopReason);
    }

    Progress committed() {
        return new Progress(step, skippedInARow, step, stopReason);
    }

    Progress stopping(String reason) {
        return new Progress(step, skippedInARow, committedStep, Optional.of(reason));
    }
}
