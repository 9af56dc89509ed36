// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.chorale.model.layer.Norm.Normed;
import org.chorale.tensor.TensorScope;

/**
 * A norm of queries or keys before they are turned (Henry et al. 2020, arXiv 2010.04245): of each head by itself, or of
 * all heads of a token together.
 *
 * <p>B batch, T tokens, H head width.
 *
 * @param width of what is normalised: H, or that of all heads
 */
public record HeadNorm(Norm norm, long width) {
    /** [B, T, heads, H] → the same shape, contiguous; saves its input and what it found of the rows. */
    Tensor forward(Tensor heads, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Normed normed = norm.normalise(heads.reshape(-1, width));
            tape.push(heads, normed.statistics());
            return scope.keep(normed.rows().view_as(heads));
        }
    }

    /** The gradient of what forward gave → that of what it was given. */
    Tensor backward(Tensor dy, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Tensor statistics = tape.pop();
            Tensor heads = tape.pop();
            Tensor dx = norm.backward(dy.reshape(-1, width), heads.reshape(-1, width), statistics, null);
            return scope.keep(dx.view_as(dy));
        }
    }
}
