// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;

/**
 * Rotary position embedding (Su et al. 2021, arXiv 2104.09864), in Hugging Face's order: component i turns with
 * component i + H/2.
 *
 * <p>B batch, T tokens, N heads, H head width.
 *
 * @param cosine of position times frequency, in the dtype of what is turned: [T, 1, H/2], the same for all sequences,
 *     or [B, T, 1, H/2]
 * @param sine likewise
 */
public record Rotary(Tensor cosine, Tensor sine) {
    /** Turns each head by its token's position: [B, T, N, H] → [B, T, N, H]. */
    public Tensor turn(Tensor x) {
        return turn(x, 1);
    }

    /** The inverse, which is also the backward: a rotation's transpose turns back. */
    public Tensor turnBack(Tensor dy) {
        return turn(dy, -1);
    }

    private Tensor turn(Tensor x, double direction) {
        try (TensorScope scope = new TensorScope()) {
            long half = x.size(-1) / 2;
            Tensor first = x.narrow(-1, 0, half);
            Tensor second = x.narrow(-1, half, half);
            Tensor turned = torch.empty_like(x);
            Tensor turnedFirst = turned.narrow(-1, 0, half);
            Tensor turnedSecond = turned.narrow(-1, half, half);
            torch.mul_out(turnedFirst, first, cosine).addcmul_(second, sine, Scalars.of(-direction));
            torch.mul_out(turnedSecond, second, cosine).addcmul_(first, sine, Scalars.of(direction));
            return scope.keep(turned);
        }
    }
}
