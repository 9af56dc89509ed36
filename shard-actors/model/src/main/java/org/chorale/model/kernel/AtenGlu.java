// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.kernel;

import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.TensorScope;

/** A gated activation by ATen's operators. */
record AtenGlu(Curve curve) implements GluKernel {
    @Override
    public Tensor forward(Tensor gate, Tensor up) {
        try (TensorScope scope = new TensorScope()) {
            return scope.keep(curve.of(gate).mul_(up));
        }
    }

    @Override
    public Tensor backward(Tensor dInner, Tensor gate, Tensor up) {
        try (TensorScope scope = new TensorScope()) {
            Tensor activated = curve.of(gate);
            Tensor inner = scope.keep(activated.mul(up));
            Tensor dUp = activated.mul_(dInner);
            gate.copy_(curve.backward(dInner.mul_(up), gate));
            up.copy_(dUp);
            return inner;
        }
    }
}
