// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.Operator;
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

    /** That of q·k before they are capped: tanh is taken of shares of the cap. */
    double productScale(Tensor q) {
        return capped() ? scaleFor(q) / cap : scaleFor(q);
    }
}
