// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.decoder;

import org.bytedeco.pytorch.Tensor;
import org.chorale.model.layer.Initialization;
import org.chorale.model.layer.Initialization.Part;
import org.chorale.tensor.Scalars;

/**
 * First weights as Transformers draws them: norms 1, biases 0, everything else from N(0, initializer_range²).
 */
public final class DecoderInitialization {
    private DecoderInitialization() {}

    /** Fills {@code target} with a part of a parameter. */
    public static void draw(DecoderConfig config, long seed, Part part, Tensor target) {
        if (part.parameter().endsWith("norm.weight")) {
            target.fill_(Scalars.of(1));
        } else if (part.parameter().endsWith(".bias")) {
            target.zero_();
        } else {
            Initialization.normal(part, config.initialDeviation(), seed, target);
        }
    }
}
