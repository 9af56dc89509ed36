// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.Operator;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * How queries and keys become scores, before masks: s = q·k · scale, and then cap · tanh(s / cap) where they are capped.
 *
 * <p>H head width.
 *
 * @param scale null for 1/√H
 * @param cap 0 for none
 */
public record Scores(@Nullable Double scale, double cap) {
    /** q·k / √H */
    public static final Scores PLAIN = new Scores(null, 0);

    public Scores {
        if ((scale != null && !(scale > 0)) || !(cap >= 0)) {
            throw new IllegalArgumentException("scale %s, cap %s: not above 0".formatted(scale, cap));
        }
    }

    boolean capped() {
        return cap > 0;
    }

    /** For kernels whose default is 1/√H. */
    Object scaleArgument() {
        return scale == null ? Operator.NONE : scale;
    }

    /** Of heads that are as wide as q's. */
    double scaleFor(Tensor q) {
        return scale == null ? 1 / Math.sqrt((double) q.size(-1)) : scale;
    }

    /** q [..., T, H] and k [..., S, H] → [..., T, S] */
    Tensor of(Tensor q, Tensor k) {
        try (TensorScope scope = new TensorScope()) {
            Tensor scores = q.matmul(k.transpose(-2, -1)).mul_(Scalars.of(scaleFor(q)));
            return scope.keep(
                    capped() ? scores.mul_(Scalars.of(1 / cap)).tanh_().mul_(Scalars.of(cap)) : scores);
        }
    }

    /** What the gradient of q·k is times that of the scores, beside the scale; null for 1. */
    @Nullable
    Tensor slope(Tensor scores) {
        if (!capped()) {
            return null;
        }
        try (TensorScope scope = new TensorScope()) {
            return scope.keep(scores.mul(Scalars.of(1 / cap)).square_().neg_().add_(Scalars.of(1)));
        }
    }
}
