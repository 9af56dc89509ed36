// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.model.kernel.SwiGluKernel;
import org.chorale.tensor.TensorScope;

/** What stands between the matrices of a feed-forward network, element by element. */
public enum Activation {
    /** x · sigmoid(x) */
    SILU {
        @Override
        Tensor of(Tensor x) {
            return torch.silu(x);
        }

        @Override
        Tensor backward(Tensor dy, Tensor x) {
            return torch.silu_backward(dy, x);
        }

        @Override
        Tensor gated(Tensor gate, Tensor up) {
            return SwiGluKernel.of(gate, up).forward(gate, up);
        }

        @Override
        Tensor gatedBackward(Tensor dInner, Tensor gate, Tensor up) {
            return SwiGluKernel.of(gate, up).backward(dInner, gate, up);
        }
    },

    /** x · Φ(x), with the normal distribution's Φ (Hendrycks and Gimpel 2016, arXiv 1606.08415). */
    GELU {
        @Override
        Tensor of(Tensor x) {
            return torch.gelu(x, EXACT);
        }

        @Override
        Tensor backward(Tensor dy, Tensor x) {
            return torch.gelu_backward(dy, x, EXACT);
        }
    },

    /** Likewise, by the approximation ½x (1 + tanh(√(2/π) (x + 0.044715 x³))). */
    GELU_TANH {
        @Override
        Tensor of(Tensor x) {
            return torch.gelu(x, BY_TANH);
        }

        @Override
        Tensor backward(Tensor dy, Tensor x) {
            return torch.gelu_backward(dy, x, BY_TANH);
        }
    };

    private static final String EXACT = "none";
    private static final String BY_TANH = "tanh";

    abstract Tensor of(Tensor x);

    abstract Tensor backward(Tensor dy, Tensor x);

    /** of(gate) · up (Shazeer 2020, arXiv 2002.05202): [R, F] of both, parts of wider rows → [R, F] */
    Tensor gated(Tensor gate, Tensor up) {
        try (TensorScope scope = new TensorScope()) {
            return scope.keep(of(gate).mul_(up));
        }
    }

    /**
     * The backward of {@link #gated(Tensor, Tensor)}. Overwrites gate and up with their gradients; what lies in the memory
     * of dInner after it means nothing, unless it is returned.
     *
     * @return of(gate) · up, once more
     */
    Tensor gatedBackward(Tensor dInner, Tensor gate, Tensor up) {
        try (TensorScope scope = new TensorScope()) {
            Tensor activated = of(gate);
            Tensor inner = scope.keep(activated.mul(up));
            Tensor dUp = activated.mul_(dInner);
            gate.copy_(backward(dInner.mul_(up), gate));
            up.copy_(dUp);
            return inner;
        }
    }
}
