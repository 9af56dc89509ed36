// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.chorale.model.kernel.EmbeddingGradient;

/** A row of a table for each token: V vocabulary, D model width, R rows. */
public final class Embedding {
    private final Parameter weight; // [V, D]

    public Embedding(Parameter weight) {
        this.weight = weight;
    }

    /**
     * [R] int64 → [R, D]
     *
     * @throws RuntimeException where a token is not below V
     */
    public Tensor forward(Tensor tokens) {
        return weight.value().index_select(0, tokens);
    }

    /** Whether a backward has anything to do. */
    public boolean trainable() {
        return weight.trainable();
    }

    /** Adds each row of dy [R, D] to the gradient of its token's row. */
    public void backward(Tensor dy, Tensor tokens) {
        Tensor gradient = weight.gradient();
        if (gradient != null) {
            EmbeddingGradient.add(gradient, tokens, dy);
        }
    }
}
