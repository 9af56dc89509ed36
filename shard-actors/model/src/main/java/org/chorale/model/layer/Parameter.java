// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.TensorScope;
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
    private static final long[] ROWS = {0};

    public boolean trainable() {
        return gradient != null;
    }

    /** Adds to the gradient of a parameter that is trained, in the gradient's dtype; leaves a frozen one alone. */
    public void addGradient(Tensor addend) {
        if (gradient != null) {
            gradient.add_(addend);
        }
    }

    /** Adds aᵀ·b, of a [R, m] and b [R, n], to a gradient [m, n]; nothing is computed for a frozen parameter. */
    void addGradientProduct(Tensor a, Tensor b, double scale) {
        if (gradient != null) {
            try (TensorScope scope = new TensorScope()) {
                Matmul.addTo(gradient, a.t(), b, scale);
            }
        }
    }

    /** Adds the sum over rows [R, n], taken in the gradient's dtype; nothing is computed for a frozen parameter. */
    void addGradientOfRows(Tensor rows) {
        if (gradient != null) {
            try (TensorScope scope = new TensorScope()) {
                gradient.add_(rows.sum(ROWS, false, new ScalarTypeOptional(gradient.scalar_type())));
            }
        }
    }
}
