// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.generation;

import java.util.SplittableRandom;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.T_TensorTensor_T;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;

/**
 * Chooses tokens by their logits, in Transformers' order: temperature, then top-k, then top-p. A seed gives the same
 * draws on every machine; of tokens that are equally likely greedy takes the one with the lowest id.
 */
public final class Sampler {
    private final Sampling sampling;
    private final SplittableRandom random;

    public Sampler(Sampling sampling) {
        this.sampling = sampling;
        this.random = new SplittableRandom(sampling.seed());
    }

    /**
     * The next token.
     *
     * @param logits [V]
     * @throws IllegalStateException where they are not finite: the model has no opinion
     */
    public long next(Tensor logits) {
        try (TensorScope scope = new TensorScope()) {
            if (!torch.isfinite(logits).all().item_bool()) {
                throw new IllegalStateException("the model's logits are not finite; its weights are broken");
            }
            return sampling.temperature() == 0
                    ? torch.argmax(logits, new LongOptional(), false).item_long()
                    : draw(probabilities(logits));
        }
    }

    /** [V] fp64, of each token to be drawn, in the open scope. */
    Tensor probabilities(Tensor logits) {
        Tensor scores = logits.to(ScalarType.Double).div(Scalars.of(sampling.temperature()));
        if (sampling.topK() > 0 && sampling.topK() < scores.size(0)) {
            Tensor least = torch.topk(scores, sampling.topK()).get0().min();
            scores = scores.masked_fill(scores.lt(least), Scalars.of(Double.NEGATIVE_INFINITY));
        }
        Tensor probabilities = torch.softmax(scores, 0);
        return sampling.topP() < 1 ? nucleus(probabilities) : probabilities;
    }

    /** Without the least likely tokens, which together have at most 1 − p, but never without the likeliest. */
    private Tensor nucleus(Tensor probabilities) {
        T_TensorTensor_T ascending = torch.sort(probabilities);
        Tensor unlikely = ascending.get0().cumsum(0).le(Scalars.of(1 - sampling.topP()));
        unlikely.narrow(0, unlikely.size(0) - 1, 1).zero_();
        Tensor dropped = torch.zeros_like(unlikely).scatter(0, ascending.get1(), unlikely);
        Tensor kept = probabilities.masked_fill(dropped, Scalars.of(0));
        return kept.div(kept.sum());
    }

    /** The token at which the sum of probabilities, in the order of the ids, passes a uniform number. */
    private long draw(Tensor probabilities) {
        Tensor sums = probabilities.cumsum(0);
        double drawn = random.nextDouble() * sums.narrow(0, sums.size(0) - 1, 1).item_double();
        return sums.le(new Scalar(drawn)).sum().item_long();
    }
}
