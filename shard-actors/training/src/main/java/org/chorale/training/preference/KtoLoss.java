// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.preference;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.training.pipeline.LossOutput;

/**
 * Kahneman-Tversky optimisation (Ethayarajh et al. 2024, arXiv 2402.01306). With r = π − ρ the log-probability of an
 * answer against the reference's, and z an estimate of the KL divergence between the two, an answer costs
 *
 * <pre>
 * wanted     wd (1 − σ(β (r − z)))
 * unwanted   wu (1 − σ(β (z − r)))
 * </pre>
 *
 * <p>z is the mean of r over mismatched answers of the whole global batch, at least 0, and no gradient goes through it.
 * The reward of an answer is β r.
 *
 * @param desirableWeight wd
 * @param undesirableWeight wu
 */
public record KtoLoss(double beta, double desirableWeight, double undesirableWeight) {
    /**
     * What is known of N answers; all [N].
     *
     * @param policy log-probabilities by the model that is trained
     * @param reference likewise by the reference
     * @param desirable 1 where the answer counts and is wanted
     * @param undesirable 1 where it counts and is not
     */
    public record Answers(Tensor policy, Tensor reference, Tensor desirable, Tensor undesirable) {}

    /**
     * In the caller's scope.
     *
     * @param divergence z, [1]
     * @param desirable answers that count and are wanted
     * @param undesirable likewise, that are not
     */
    public Judgement judge(Answers answers, Tensor divergence, long desirable, long undesirable) {
        try (TensorScope scope = new TensorScope()) {
            Tensor side = answers.desirable().sub(answers.undesirable()); // 1, −1, or 0 where nothing counts
            Tensor weight = answers.desirable()
                    .mul(Scalars.of(desirableWeight))
                    .add(answers.undesirable().mul(Scalars.of(undesirableWeight)));
            Tensor ratio = answers.policy().sub(answers.reference());
            Tensor distance = ratio.sub(divergence).mul(side); // how far on the right side
            Tensor value = distance.mul(Scalars.of(beta)).sigmoid(); // [N]
            Tensor losses = value.neg().add(Scalars.of(1)).mul(weight);
            Tensor slope = value.neg()
                    .add(Scalars.of(1))
                    .mul(value)
                    .mul(weight)
                    .mul(side)
                    .mul(Scalars.of(-beta));
            Tensor rewards = ratio.mul(Scalars.of(beta));
            long all = desirable + undesirable;
            LossOutput output = LossOutput.of("kto", losses.sum(), (double) all);
            output = with(output, "rewards.chosen", rewards.mul(answers.desirable()), desirable);
            output = with(output, "rewards.rejected", rewards.mul(answers.undesirable()), undesirable);
            output = with(output, "rewards.accuracy", distance.gt(Scalars.of(0)).to(ScalarType.Double), all);
            output = with(output, "logps.chosen", answers.policy().mul(answers.desirable()), desirable);
            output = with(output, "logps.rejected", answers.policy().mul(answers.undesirable()), undesirable);
            output = with(output, "kl", side.abs().mul(divergence), all);
            return new Judgement(output, slope).kept(scope);
        }
    }

    private static LossOutput with(LossOutput output, String name, Tensor values, long counted) {
        return output.withMetric(name, values.sum(), (double) counted);
    }
}
