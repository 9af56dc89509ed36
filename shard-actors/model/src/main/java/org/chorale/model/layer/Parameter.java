// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * A tensor of the model and its gradient: views into the flat buffers of a sharding unit, which owns them.
 *
 * @param name as in the published safetensors files
 * @param value read by forward and backward, in the dtype of the computation
 * @param gradient of the same shape, in fp32 (fp64 in tests), whatever the value's dtype; a backward adds to it. Null
 *     where the parameter is frozen
 */
public record Parameter(String name, Tensor value, @Nullable Tensor gradient) {
    public boolean trainable() {
        return gradient != null;
    }

    /** Adds to the gradient of a parameter that is trained, in the gradient's dtype; leaves a frozen one alone. */
    public void addGradient(Tensor addend) {
        if (gradient != null) {
            gradient.add_(addend);
        }
    }
}
