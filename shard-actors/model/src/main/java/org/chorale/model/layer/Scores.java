// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.Operator;
import org.chorale.tensor.Scalars;
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

    /** Whether they are. */
    public boolean capped() {
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

    /** That of q·k before they are capped: the cap's part of it is 1 / cap. */
    double productScale(Tensor q) {
        return capped() ? scaleFor(q) / cap : scaleFor(q);
    }

    /**
     * What a cap makes of q·k times {@link #productScale}, in its memory: tanh, which is a share of the cap, and whose
     * slope follows from it.
     */
    void bend(Tensor products) {
        if (capped()) {
            products.tanh_();
        }
    }

    /** The scores of what is bent, in its memory unless the backward of a cap needs that. */
    Tensor of(Tensor bent, boolean backward) {
        if (!capped()) {
            return bent;
        }
        Scalar factor = Scalars.of(cap);
        return backward ? bent.mul(factor) : bent.mul_(factor);
    }

    /** The gradient of q·k times the scale, of that of the scores. */
    Tensor gradient(Tensor dScores, Tensor bent) {
        return capped() ? torch.tanh_backward(dScores, bent) : dScores;
    }
}
