// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import org.chorale.proto.wire.EvaluationReport;

/**
 * The keys under {@code evaluation}.
 *
 * @param every steps from one evaluation to the next; 0 evaluates before the first step and at the end only
 * @param metric what makes an evaluation the best
 * @param patience evaluations in a row that may be worse than the best before the run ends early; 0 never ends it
 */
public record EvaluationSettings(long every, Metric metric, int patience) {
    /** What evaluations are compared by. */
    public enum Metric {
        LOSS {
            @Override
            double cost(EvaluationReport report) {
                return report.getLossNats();
            }
        },
        EXACT_MATCH {
            @Override
            double cost(EvaluationReport report) {
                return -(double) report.getExact() / report.getJudged(); // NaN where nothing was judged
            }
        };

        /** The lower, the better; not finite where the evaluation says nothing. */
        abstract double cost(EvaluationReport report);
    }

    public EvaluationSettings {
        new SettingProblems()
                .require(every >= 0, "evaluation.every", every, "0 (only at start and end) or more")
                .require(patience >= 0, "evaluation.patience", patience, "0 (never end early) or more")
                .throwAny();
    }
}
