// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.preference;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;

/**
 * Direct preference optimisation. With πc, πr the log-probabilities of a pair's answers, ρc, ρr those of the reference,
 * and the margin h = (πc − ρc) − (πr − ρr), a pair costs
 *
 * <pre>
 * sigmoid   −(1 − ε) log σ(β h) − ε log σ(−β h)   Rafailov et al. 2023, arXiv 2305.18290; with ε, Mitchell's cDPO
 * hinge     max(0, 1 − β h)                       Zhao et al. 2023, arXiv 2305.10425
 * ipo       (h − 1 / 2β)²                         Azar et al. 2023, arXiv 2310.12036, of log-probabilities per token
 * </pre>
 *
 * <p>The reward of an answer is β (π − ρ).
 *
 * @param labelSmoothing ε, of the sigmoid alone
 * @param referenceFree whether ρ is 0
 */
public record DpoLoss(Variant variant, double beta, double labelSmoothing, boolean referenceFree) implements PairLoss {
    /** What is made of the margin. */
    public enum Variant {
        SIGMOID,
        HINGE,
        IPO
    }

    @Override
    public boolean comparesWithReference() {
        return !referenceFree;
    }

    @Override
    public Judgement judge(Tensor policy, Tensor reference, Tensor tokens, long counted) {
        try (TensorScope scope = new TensorScope()) {
            Pairs pairs = Pairs.of(tokens, counted);
            Tensor ratio = policy.sub(reference); // [P, 2]
            Tensor per = variant == Variant.IPO ? tokens.clamp_min(Scalars.of(1)) : torch.ones_like(tokens);
            Tensor score = ratio.div(per);
            Tensor margin = Pairs.chosen(score).sub(Pairs.rejected(score)); // [P]
            Tensor slope = slope(margin);
            Judgement judged = new Judgement(
                    pairs.output("dpo", losses(margin), ratio.mul(Scalars.of(beta)), policy),
                    pairs.columns(slope, slope.neg()).div_(per));
            return judged.kept(scope);
        }
    }

    /** [P] */
    private Tensor losses(Tensor margin) {
        Tensor scaled = margin.mul(Scalars.of(beta));
        return switch (variant) {
            case SIGMOID ->
                torch.log_sigmoid(scaled)
                        .mul(Scalars.of(labelSmoothing - 1))
                        .sub(torch.log_sigmoid(scaled.neg()).mul(Scalars.of(labelSmoothing)));
            case HINGE -> scaled.neg().add(Scalars.of(1)).clamp_min(Scalars.of(0));
            case IPO -> margin.sub(Scalars.of(target())).square();
        };
    }

    /** d loss / d margin, [P] */
    private Tensor slope(Tensor margin) {
        Tensor scaled = margin.mul(Scalars.of(beta));
        return switch (variant) {
            case SIGMOID -> scaled.sigmoid().add(Scalars.of(labelSmoothing - 1)).mul(Scalars.of(beta));
            case HINGE -> scaled.lt(Scalars.of(1)).to(ScalarType.Double).mul(Scalars.of(-beta));
            case IPO -> margin.sub(Scalars.of(target())).mul(Scalars.of(2));
        };
    }

    /** Of IPO's margin. */
    private double target() {
        return 1 / (2 * beta);
    }
}
