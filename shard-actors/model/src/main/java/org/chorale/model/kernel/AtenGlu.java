// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.kernel;

import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.TensorScope;

/** A gated activation by ATen's operators. */
record AtenGlu(Curve curve) implements GluKernel {
    private static final long[] COLUMNS = {1};

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

    @Override
    public Tensor weightedBackward(Tensor dWeighted, Tensor gate, Tensor up, Tensor weights, Tensor dWeights) {
        try (TensorScope scope = new TensorScope()) {
            Tensor given = forward(gate, up).to(weights.scalar_type());
            dWeights.copy_(given.mul_(dWeighted).sum(COLUMNS, true, new ScalarTypeOptional()));
            Tensor inner = scope.keep(backward(dWeighted.mul_(weights), gate, up));
            return inner.mul_(weights);
        }
    }
}
