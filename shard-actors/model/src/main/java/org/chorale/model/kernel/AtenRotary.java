// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.kernel;

import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;

/** The turn of heads by ATen's operators. */
final class AtenRotary implements RotaryKernel {
    static final AtenRotary INSTANCE = new AtenRotary();

    private AtenRotary() {}

    @Override
    public void turn(Tensor q, Tensor k, Tensor cosine, Tensor sine, int direction) {
        turn(q, cosine, sine, direction);
        turn(k, cosine, sine, direction);
    }

    private static void turn(Tensor x, Tensor cosine, Tensor sine, int direction) {
        try (TensorScope scope = new TensorScope()) {
            long half = x.size(-1) / 2;
            Tensor first = x.narrow(-1, 0, half);
            Tensor second = x.narrow(-1, half, half);
            Tensor before = first.clone();
            first.mul_(cosine).addcmul_(second, sine, Scalars.of(-direction));
            second.mul_(cosine).addcmul_(before, sine, Scalars.of(direction));
        }
    }
}
