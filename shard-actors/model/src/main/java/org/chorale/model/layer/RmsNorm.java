// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;

/**
 * y = w · x / √(mean(x²) + ε), over the last dimension (Zhang and Sennrich 2019, arXiv 1910.07467).
 *
 * <p>R rows, D model width. Rows are normalised in fp32 at least and then rounded to the dtype of x, as Transformers'
 * Llama does it; the backward is computed in fp32 too, and rounded at its end.
 */
public final class RmsNorm {
    private static final long[] LAST = {-1};

    private final Parameter weight; // [D]
    private final double epsilon;

    public RmsNorm(Parameter weight, double epsilon) {
        this.weight = weight;
        this.epsilon = epsilon;
    }

    /** Whether a backward has anything to do but hand the gradient on. */
    public boolean trainable() {
        return weight.trainable();
    }

    /** [R, D] → [R, D]; saves the normalised rows and their scales. */
    public Tensor forward(Tensor x, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Tensor wide = Wide.of(x);
            double inverseRootWidth = 1 / Math.sqrt((double) x.size(-1));
            Tensor rootMeanSquare = torch.linalg_vector_norm(wide, Scalars.of(2), LAST, true, new ScalarTypeOptional())
                    .mul_(Scalars.of(inverseRootWidth)); // [R, 1]
            Tensor scale = rootMeanSquare.square_().add_(Scalars.of(epsilon)).rsqrt_(); // [R, 1]
            Tensor normalised = wide.mul(scale).to(x.scalar_type()); // [R, D]
            tape.push(normalised, scale);
            return scope.keep(normalised.mul(weight.value()));
        }
    }

    /**
     * With x̂ the normalised row and s its scale: dw = Σ dy·x̂ and dx = s (w·dy − x̂ mean(w·dy·x̂)).
     *
     * @param dy [R, D]
     * @return dx [R, D]
     */
    public Tensor backward(Tensor dy, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Tensor scale = tape.pop();
            Tensor normalised = Wide.of(tape.pop());
            Tensor wideDy = Wide.of(dy);
            Tensor wideWeight = Wide.of(weight.value());
            Tensor product = wideDy.mul(normalised); // [R, D]
            weight.addGradientOfRows(product);
            Tensor mean = product.mv(wideWeight)
                    .mul_(Scalars.of(1.0 / (double) dy.size(-1)))
                    .unsqueeze(-1); // [R, 1]
            Tensor dx = wideDy.mul(wideWeight);
            dx.addcmul_(normalised, mean, Scalars.of(-1)).mul_(scale);
            return scope.keep(dx.to(dy.scalar_type()));
        }
    }
}
