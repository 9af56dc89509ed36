// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

/**
 * What the host learns of one step.
 *
 * @param lossNats mean over the trained tokens of the global batch
 * @param gradNorm L2 norm over all parameters, before clipping
 * @param trainedTokens labels that counted
 * @param skipped whether loss or gradient was not finite, so that no weight was touched
 */
public record StepResult(double lossNats, double gradNorm, long trainedTokens, boolean skipped) {
    /** Of a batch in which no label counts: there is no loss, and nothing moved. */
    static final StepResult NOTHING_TRAINED = new StepResult(Double.NaN, 0, 0, false);
}
