// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.Scalars;
import org.chorale.training.optimizer.LossScale;
import org.jspecify.annotations.Nullable;

/**
 * What follows from the numbers of all ranks, as tensors: the host need not know for the optimizer to go on. All are [1],
 * in fp32 but for {@code empty}, which is a truth value.
 *
 * @param norm of the whole gradient before clipping
 * @param divisor what the gradients in the buffers are divided by: more than they are too large, where the norm is
 * @param notFinite 1 where the loss or the norm of a step that trains is not a finite number
 * @param empty whether nothing counts in the whole global batch
 * @param gated 1 where nothing may move, for either reason
 */
record StepVerdict(Tensor norm, Tensor divisor, Tensor notFinite, Tensor empty, Tensor gated) {
    /** Keeps the clip coefficient finite where the norm is 0, as in torch's clip_grad_norm_. */
    private static final double NORM_EPSILON = 1e-6;

    /**
     * Made in the caller's scope.
     *
     * @param vector of all ranks
     * @param dividedLast whether the gradients are those of the first term's sum, not of its mean
     */
    static StepVerdict of(
            StepVector layout, Tensor vector, boolean dividedLast, @Nullable LossScale scale, double clipNorm) {
        Tensor weights = layout.termWeights(vector);
        Tensor weightless = weights.eq(Scalars.of(0)); // [terms]
        Tensor nothing = weightless.all().view(1);
        Tensor loss = layout.termSums(vector)
                .div(weights)
                .masked_fill_(weightless, Scalars.of(0))
                .sum()
                .view(1); // fp64
        Tensor squares = layout.squares(vector);
        Tensor ofSums = dividedLast && layout.terms() > 0
                ? weights.narrow(0, 0, 1).to(ScalarType.Float)
                : torch.ones_like(squares).to(ScalarType.Float);
        if (scale != null) {
            ofSums = ofSums.mul(scale.scale());
        }
        Tensor norm = squares.sqrt().to(ScalarType.Float).div_(ofSums);
        Tensor divisor = norm.add(Scalars.of(NORM_EPSILON))
                .div_(Scalars.of(clipNorm))
                .clamp_min_(Scalars.of(1))
                .mul_(ofSums);
        Tensor broken = loss.add(norm).mul_(Scalars.of(0)).ne(Scalars.of(0)); // 0 · x is 0, unless x is not finite
        return new StepVerdict(
                norm,
                divisor,
                number(broken.logical_and(nothing.logical_not())),
                nothing,
                number(broken.logical_or(nothing)));
    }

    private static Tensor number(Tensor truth) {
        return truth.to(ScalarType.Float);
    }
}
