// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.util.Optional;
import org.chorale.coordinator.plan.EvaluationSettings.Metric;
import org.chorale.proto.wire.EvaluationReport;

/**
 * How the evaluations of a run compare. That of the untrained model does not count: it has no checkpoint, and whoever
 * wants that model has it.
 *
 * @param latest the newest that counts
 * @param best the one with the best metric so far; of equals the first
 * @param sinceBest evaluations after it; all, where none was finite
 */
public record Standing(Optional<EvaluationReport> latest, Optional<EvaluationReport> best, int sinceBest) {
    /** Before any evaluation. */
    public static final Standing NONE = new Standing(Optional.empty(), Optional.empty(), 0);

    Standing after(EvaluationReport report, Metric metric) {
        if (report.getStep() == 0) {
            return this;
        }
        double cost = metric.cost(report);
        boolean better = Double.isFinite(cost) && best.map(metric::cost).orElse(Double.MAX_VALUE) > cost;
        Optional<EvaluationReport> now = Optional.of(report);
        return better ? new Standing(now, now, 0) : new Standing(now, best, sinceBest + 1);
    }

    /** Whether the evaluation of this step is the best one. */
    public boolean isBest(long step) {
        return best.filter(report -> report.getStep() == step).isPresent();
    }

    /** The evaluation of this very step. */
    public Optional<EvaluationReport> at(long step) {
        return latest.filter(report -> report.getStep() == step);
    }
}
