// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.kernel;

import java.util.Locale;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** What an activation makes of a number, and its slope. */
public enum Curve {
    /** x · sigmoid(x) */
    SILU {
        @Override
        public Tensor of(Tensor x) {
            return torch.silu(x);
        }

        @Override
        public Tensor backward(Tensor dy, Tensor x) {
            return torch.silu_backward(dy, x);
        }
    },

    /** x · Φ(x), with the normal distribution's Φ (Hendrycks and Gimpel 2016, arXiv 1606.08415). */
    GELU {
        @Override
        public Tensor of(Tensor x) {
            return torch.gelu(x, EXACT);
        }

        @Override
        public Tensor backward(Tensor dy, Tensor x) {
            return torch.gelu_backward(dy, x, EXACT);
        }
    },

    /** Likewise, by the approximation ½x (1 + tanh(√(2/π) (x + 0.044715 x³))). */
    GELU_TANH {
        @Override
        public Tensor of(Tensor x) {
            return torch.gelu(x, BY_TANH);
        }

        @Override
        public Tensor backward(Tensor dy, Tensor x) {
            return torch.gelu_backward(dy, x, BY_TANH);
        }
    };

    private static final String EXACT = "none";
    private static final String BY_TANH = "tanh";

    /** Element by element. */
    public abstract Tensor of(Tensor x);

    /** The gradient of x. */
    public abstract Tensor backward(Tensor dy, Tensor x);

    /** The function of {@code glu.cu}. */
    String function() {
        return name().toLowerCase(Locale.ROOT);
    }
}
