// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.kernel;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;

/** The turn of heads by ATen's operators. */
final class AtenRotary implements RotaryKernel {
    static final AtenRotary INSTANCE = new AtenRotary();

    private AtenRotary() {}

    @Override
    public void turn(Tensor q, Tensor k, Tensor cosine, Tensor sine) {
        turn(q, cosine, sine, 1);
        turn(k, cosine, sine, 1);
    }

    @Override
    public Tensor joinTurnedBack(Tensor q, Tensor k, Tensor v, Tensor cosine, Tensor sine) {
        try (TensorScope scope = new TensorScope()) {
            turn(q, cosine, sine, -1);
            turn(k, cosine, sine, -1);
            TensorVector parts = new TensorVector(rows(q), rows(k), rows(v));
            return scope.keep(torch.cat(parts, 1));
        }
    }

    /** [B, T, heads, H] → [B·T, heads·H] */
    private static Tensor rows(Tensor heads) {
        return heads.reshape(heads.size(0) * heads.size(1), heads.size(2) * heads.size(3));
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
