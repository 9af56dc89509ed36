// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.decoder;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;

/**
 * The frequencies of a rotary embedding, in radians per token: θ^(−2i/W) for i below W/2, perhaps stretched.
 *
 * <p>Everything is computed in fp32 and in the order in which Transformers computes it, so that the angles at far
 * positions, where one rounding counts, are the same.
 *
 * @param width W, components of a head that are turned
 * @param theta the base
 */
public record RopeFrequencies(long width, double theta, RopeScaling scaling) {
    /** What {@link #compute} needs to know of a sequence: its tokens where that matters, else 0. */
    long stretchedFor(long tokens) {
        return scaling.stretchedFor(tokens);
    }

    /** What sine and cosine are multiplied by. */
    double attentionFactor() {
        return scaling.attentionFactor();
    }

    /**
     * [W/2], fp32, in the open scope.
     *
     * @param stretchedFor what {@link #stretchedFor} says of the sequence
     */
    Tensor compute(long stretchedFor) {
        try (TensorScope scope = new TensorScope()) {
            Tensor exponents = torch.arange(new Scalar(0), new Scalar(width), new Scalar(2))
                    .to(ScalarType.Float)
                    .div_(Scalars.of((double) width)); // [W/2]
            double base = stretchedFor == 0 ? theta : scaling.base(theta, width, stretchedFor);
            return scope.keep(scaling.frequencies(torch.pow(new Scalar(base), exponents), theta));
        }
    }
}
