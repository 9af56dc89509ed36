// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What the host learns of one step. It is the same on every rank.
 *
 * @param lossNats mean over what counts in the global batch: the trained tokens, for a language model
 * @param gradNorm L2 norm over all parameters, before clipping
 * @param trainedTokens labels that counted; with a pipeline the weight of its first term
 * @param skipped whether loss or gradient was not finite, so that no weight was touched
 * @param overflow whether that may be the loss scale's doing, which has been lowered
 * @param lossScale what the loss was multiplied by before its backward; 0 where the format needs no scale
 * @param stop whether any rank was told to stop after this step
 * @param metrics means over the global batch: {@code loss.TERM} of each term where there are several, which add up to
 *     the loss, and what the losses report besides
 */
public record StepResult(
        double lossNats,
        double gradNorm,
        long trainedTokens,
        boolean skipped,
        boolean overflow,
        double lossScale,
        boolean stop,
        Map<String, Double> metrics) {
    /** Of a batch in which no label counts: there is no loss, and nothing moved. */
    static StepResult nothingTrained(double lossScale, boolean stop) {
        return new StepResult(Double.NaN, 0, 0, false, false, lossScale, stop, Map.of());
    }

    public StepResult {
        metrics = Collections.unmodifiableMap(new LinkedHashMap<>(metrics));
    }
}
