// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.preference;

import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.TensorScope;
import org.chorale.training.pipeline.LossOutput;

/**
 * What a loss makes of answers.
 *
 * @param output one term, whose weight is the examples that count, and what is reported besides
 * @param gradient of the term's sum with respect to the answers' log-probabilities, in their shape; 0 where an example
 *     does not count
 */
public record Judgement(LossOutput output, Tensor gradient) {
    /** Hands all of it to the scope around. */
    Judgement kept(TensorScope scope) {
        output.terms().forEach(term -> scope.keep(term.sum()));
        output.metrics().values().forEach(mean -> scope.keep(mean.sum()));
        scope.keep(gradient);
        return this;
    }
}
