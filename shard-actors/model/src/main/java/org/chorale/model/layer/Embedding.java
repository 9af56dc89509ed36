// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.kernel.EmbeddingGradient;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/** A row of a table for each token, scaled: V vocabulary, D model width, R rows. */
public final class Embedding {
    private final Parameter weight; // [V, D]
    private final @Nullable Scalar scale; // null for 1

    /** @param scale rounded to the dtype of the weights, as Transformers does it */
    public Embedding(Parameter weight, double scale) {
        this.weight = weight;
        this.scale = scale == 1 ? null : Scalars.of(rounded(scale, weight.type()));
    }

    private static double rounded(double value, ScalarType type) {
        try (TensorScope scope = new TensorScope()) {
            return HostTensors.ofDoubles(new double[] {value}, 1)
                    .to(type)
                    .to(ScalarType.Double)
                    .item_double();
        }
    }

    /**
     * [R] int64 → [R, D]
     *
     * @throws RuntimeException where a token is not below V
     */
    public Tensor forward(Tensor tokens) {
        Tensor rows = weight.value().index_select(0, tokens);
        return scale == null ? rows : rows.mul_(scale);
    }

    /** Whether a backward has anything to do. */
    public boolean trainable() {
        return weight.trainable();
    }

    /** Adds each row of dy [R, D] to the gradient of its token's row. */
    public void backward(Tensor dy, Tensor tokens) {
        Tensor gradient = weight.gradient();
        if (gradient != null) {
            try (TensorScope scope = new TensorScope()) {
                EmbeddingGradient.add(gradient, tokens, scale == null ? dy : dy.mul(scale));
            }
        }
    }
}
