// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.kernel;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.TensorScope;

/** SwiGLU by ATen's operators. */
final class AtenSwiGlu implements SwiGluKernel {
    static final AtenSwiGlu INSTANCE = new AtenSwiGlu();

    private AtenSwiGlu() {}

    @Override
    public Tensor forward(Tensor gate, Tensor up) {
        try (TensorScope scope = new TensorScope()) {
            return scope.keep(torch.silu(gate).mul(up));
        }
    }

    @Override
    public Tensor backward(Tensor dInner, Tensor gate, Tensor up) {
        try (TensorScope scope = new TensorScope()) {
            Tensor silu = torch.silu(gate);
            Tensor inner = scope.keep(silu.mul(up));
            Tensor dUp = silu.mul_(dInner);
            gate.copy_(torch.silu_backward(dInner.mul_(up), gate));
            up.copy_(dUp);
            return inner;
        }
    }
}
