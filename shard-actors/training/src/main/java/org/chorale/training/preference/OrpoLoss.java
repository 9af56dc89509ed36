// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.preference;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.training.pipeline.LossOutput;

/**
 * Odds-ratio preference optimisation (Hong et al. 2024, arXiv 2403.07691). With ac, ar the mean log-probabilities per
 * token of a pair's answers, a pair costs
 *
 * <pre>
 * −ac − λ log σ(o(ac) − o(ar))   where o(a) = a − log(1 − exp a), the log of the odds
 * </pre>
 *
 * <p>The first part is the cross entropy of the chosen answer, each pair counting as much as any other. The reward of an
 * answer is λ a.
 *
 * @param oddsWeight λ
 */
public record OrpoLoss(double oddsWeight) implements PairLoss {
    /** Keeps odds finite where an answer is certain; a little less than what fp32 tells from 0. */
    private static final double MOST_CERTAIN = -1e-8;

    @Override
    public boolean comparesWithReference() {
        return false;
    }

    @Override
    public Judgement judge(Tensor policy, Tensor reference, Tensor tokens, long counted) {
        try (TensorScope scope = new TensorScope()) {
            Pairs pairs = Pairs.of(tokens, counted);
            Tensor per = tokens.clamp_min(Scalars.of(1));
            Tensor mean = policy.div(per).clamp_max(Scalars.of(MOST_CERTAIN)); // a, [P, 2]
            Tensor against = mean.expm1().neg(); // 1 − exp a
            Tensor odds = mean.sub(against.log());
            Tensor ratio = Pairs.chosen(odds).sub(Pairs.rejected(odds)); // [P]
            Tensor nll = Pairs.chosen(mean).neg();
            Tensor losses = nll.sub(torch.log_sigmoid(ratio).mul(Scalars.of(oddsWeight)));
            Tensor pull = ratio.neg().sigmoid().mul(Scalars.of(oddsWeight)); // λ σ(−ratio)
            Tensor dChosen = pull.div(Pairs.chosen(against)).add(Scalars.of(1)).neg(); // do/da = 1 / (1 − exp a)
            Tensor dRejected = pull.div(Pairs.rejected(against));
            LossOutput output = pairs.output("orpo", losses, mean.mul(Scalars.of(oddsWeight)), policy);
            output = pairs.with(output, "nll", nll);
            output = pairs.with(output, "log_odds_ratio", ratio);
            return new Judgement(output, pairs.columns(dChosen, dRejected).div_(per)).kept(scope);
        }
    }
}
