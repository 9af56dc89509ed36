// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.llama;

import org.bytedeco.pytorch.Tensor;
import org.chorale.model.layer.Initialization;
import org.chorale.tensor.Scalars;

/**
 * First weights as Transformers draws them: norms 1, biases 0, everything else from N(0, initializer_range²).
 */
public final class LlamaInitialization {
    private LlamaInitialization() {}

    /** Fills {@code target}, the whole parameter, in place. */
    public static void draw(LlamaConfig config, long seed, String name, Tensor target) {
        if (name.endsWith("norm.weight")) {
            target.fill_(Scalars.of(1));
        } else if (name.endsWith(".bias")) {
            target.zero_();
        } else {
            Initialization.normal(target, config.initialDeviation(), seed, name);
        }
    }
}
