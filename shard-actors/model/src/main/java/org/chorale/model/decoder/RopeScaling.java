// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.decoder;

import java.util.function.DoubleUnaryOperator;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.Scalars;

/**
 * How rotary frequencies are stretched for contexts that are longer than those of the first training. Computed in fp32 and
 * in the order of Transformers ({@code modeling_rope_utils.py}).
 *
 * <p>W components of a head are turned, θ is the base.
 */
public sealed interface RopeScaling {
    /** Not at all. */
    record None() implements RopeScaling {}

    /** All are divided by the factor: position interpolation (Chen et al. 2023, arXiv 2306.15595). */
    record Linear(double factor) implements RopeScaling {
        @Override
        public Tensor frequencies(Tensor powers, double theta) {
            return powers.reciprocal().div_(Scalars.of(factor));
        }
    }

    /**
     * The base grows with the sequence, beyond the context of the first training ("dynamic NTK").
     *
     * @param contextTokens up to which nothing changes
     */
    record Dynamic(double factor, double contextTokens) implements RopeScaling {
        @Override
        public long stretchedFor(long tokens) {
            return tokens > contextTokens ? tokens : 0;
        }

        /** θ (factor · T / context − (factor − 1))^(W / (W − 2)) */
        @Override
        public double base(double theta, long width, long tokens) {
            double growth = factor * Math.max((double) tokens, contextTokens) / contextTokens - (factor - 1);
            return theta * Math.pow(growth, (double) width / ((double) width - 2));
        }
    }

    /**
     * Wavelengths longer than originalContext ÷ lowFactor are stretched by {@code factor}, those shorter than
     * originalContext ÷ highFactor stay, and between them the two are blended.
     */
    record Llama3(double factor, double lowFactor, double highFactor, double originalContextTokens)
            implements RopeScaling {
        @Override
        public Tensor frequencies(Tensor powers, double theta) {
            Tensor frequencies = powers.reciprocal();
            Tensor wavelengths = frequencies.reciprocal().mul_(Scalars.of(2 * Math.PI));
            Tensor stretched = frequencies.div(Scalars.of(factor));
            Tensor share = wavelengths
                    .reciprocal()
                    .mul_(Scalars.of(originalContextTokens))
                    .sub_(Scalars.of(lowFactor))
                    .div_(Scalars.of(highFactor - lowFactor)); // of the unstretched frequency
            Tensor blended = torch.addcmul(stretched, share, frequencies.sub(stretched));
            Tensor isLong = wavelengths.gt(Scalars.of(originalContextTokens / lowFactor));
            Tensor isShort = wavelengths.lt(Scalars.of(originalContextTokens / highFactor));
            return torch.where(isLong, stretched, torch.where(isShort, frequencies, blended));
        }
    }

    /**
     * Components that turn more than {@code fastTurns} times in the original context stay, those that turn less than
     * {@code slowTurns} times are stretched, and between them there is a ramp (Peng et al. 2023, arXiv 2309.00071).
     *
     * @param attentionFactor what sine and cosine are multiplied by
     * @param truncated whether the ramp begins and ends at whole components
     */
    record Yarn(
            double factor,
            double fastTurns,
            double slowTurns,
            double originalContextTokens,
            double attentionFactor,
            boolean truncated)
            implements RopeScaling {
        private static final double LEAST_RAMP = 0.001;

        @Override
        public Tensor frequencies(Tensor powers, double theta) {
            double half = (double) powers.size(0);
            double first = Math.max(0, bound(fastTurns, 2 * half, theta, Math::floor));
            double last = Math.min(2 * half - 1, bound(slowTurns, 2 * half, theta, Math::ceil));
            Tensor stays = torch.arange(Scalars.of(half))
                    .to(ScalarType.Float)
                    .sub_(Scalars.of(first))
                    .div_(Scalars.of(first == last ? LEAST_RAMP : last - first))
                    .clamp_min_(Scalars.of(0))
                    .clamp_max_(Scalars.of(1))
                    .neg_()
                    .add_(Scalars.of(1)); // share of the frequency that is not stretched
            Tensor stretched = powers.mul(Scalars.of(factor)).reciprocal_();
            Tensor changes = stays.neg().add_(Scalars.of(1));
            return stretched.mul_(changes).add_(powers.reciprocal().mul_(stays));
        }

        /** The component that turns so often in the original context. */
        private double bound(double turns, double width, double theta, DoubleUnaryOperator toWhole) {
            double component = width * Math.log(originalContextTokens / (turns * 2 * Math.PI)) / (2 * Math.log(theta));
            return truncated ? toWhole.applyAsDouble(component) : component;
        }
    }

    /** The base, for a sequence that {@link #stretchedFor} was asked of. */
    default double base(double theta, long width, long tokens) {
        return theta;
    }

    /**
     * [W/2] both, in the open scope.
     *
     * @param powers θ^(2i/W)
     */
    default Tensor frequencies(Tensor powers, double theta) {
        return powers.reciprocal();
    }

    /** The length of a sequence, where the frequencies depend on it; else 0. */
    default long stretchedFor(long tokens) {
        return 0;
    }

    /** What sine and cosine are multiplied by. */
    default double attentionFactor() {
        return 1;
    }
}
