// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.preference;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.Scalars;
import org.chorale.training.pipeline.LossOutput;

/**
 * Columns of P pairs, [P, 2], as vectors, and what is reported of every kind of pair.
 *
 * @param mask [P], 1 where a pair counts
 * @param counted how many do
 */
record Pairs(Tensor mask, long counted) {
    static Pairs of(Tensor tokens, long counted) {
        return new Pairs(tokens.gt(Scalars.of(0)).all(1).to(ScalarType.Double), counted);
    }

    static Tensor chosen(Tensor pairs) {
        return pairs.select(1, 0);
    }

    static Tensor rejected(Tensor pairs) {
        return pairs.select(1, 1);
    }

    /** [P, 2] of two vectors, 0 where a pair does not count. */
    Tensor columns(Tensor chosen, Tensor rejected) {
        return torch.stack(new TensorVector(chosen.mul(mask), rejected.mul(mask)), 1);
    }

    /** Of a vector over the pairs that count, []. */
    Tensor sum(Tensor values) {
        return values.mul(mask).sum();
    }

    /**
     * The term, and the figures that the field knows.
     *
     * @param rewards [P, 2]
     * @param logProbabilities [P, 2]
     */
    LossOutput output(String term, Tensor losses, Tensor rewards, Tensor logProbabilities) {
        Tensor margin = chosen(rewards).sub(rejected(rewards));
        LossOutput output = LossOutput.of(term, sum(losses), (double) counted);
        output = with(output, "rewards.chosen", chosen(rewards));
        output = with(output, "rewards.rejected", rejected(rewards));
        output = with(output, "rewards.margin", margin);
        output = with(output, "rewards.accuracy", margin.gt(Scalars.of(0)).to(ScalarType.Double));
        output = with(output, "logps.chosen", chosen(logProbabilities));
        return with(output, "logps.rejected", rejected(logProbabilities));
    }

    /** With the mean of a vector. */
    LossOutput with(LossOutput output, String name, Tensor values) {
        return output.withMetric(name, sum(values), (double) counted);
    }
}
