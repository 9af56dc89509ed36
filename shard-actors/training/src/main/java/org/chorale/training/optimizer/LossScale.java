// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.optimizer;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;

/** What a loss is multiplied by before its backward, so that small gradients survive in a narrow format. */
public final class LossScale implements AutoCloseable {
    private final HeldTensors owner = new HeldTensors();
    private final Tensor scale; // [1] fp32

    private LossScale(double first) {
        try (TensorScope scope = new TensorScope()) {
            this.scale = owner.hold(HostTensors.zeros(ScalarType.Float, 1).add_(Scalars.of(first)));
        }
    }

    /** A scale of 1, for formats that need none. */
    public static LossScale none() {
        return new LossScale(1);
    }

    /** [1] fp32. Upstream gradients are multiplied by it, and the optimizer's divisor too. */
    public Tensor scale() {
        return scale;
    }

    @Override
    public void close() {
        owner.close();
    }
}
