// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.diffusion;

import java.util.Arrays;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.TensorScope;

/**
 * How much of an example and how much noise is in it. B examples.
 *
 * @param signal √ᾱ, [B, 1, …] of the rank and dtype of the examples
 * @param noise √(1 − ᾱ), likewise
 */
record NoiseLevel(Tensor signal, Tensor noise) {
    /** @param cumulativeAlphas ᾱ of each example, fp64 [B] */
    static NoiseLevel of(Tensor cumulativeAlphas, Tensor examples) {
        long[] shape = new long[(int) examples.dim()];
        Arrays.fill(shape, 1);
        shape[0] = examples.size(0);
        try (TensorScope scope = new TensorScope()) {
            Tensor signal = cumulativeAlphas.sqrt().view(shape).to(examples.scalar_type());
            Tensor noise = torch.ones_like(cumulativeAlphas)
                    .sub(cumulativeAlphas)
                    .sqrt()
                    .view(shape)
                    .to(examples.scalar_type());
            return new NoiseLevel(scope.keep(signal), scope.keep(noise));
        }
    }

    /** √ᾱ a + √(1 − ᾱ) b; of an example and noise it is x<sub>t</sub>. */
    Tensor mix(Tensor a, Tensor b) {
        try (TensorScope scope = new TensorScope()) {
            return scope.keep(signal.mul(a).add(noise.mul(b)));
        }
    }

    /** √ᾱ a − √(1 − ᾱ) b: {@link #mix} turned by a right angle. */
    Tensor across(Tensor a, Tensor b) {
        try (TensorScope scope = new TensorScope()) {
            return scope.keep(signal.mul(a).sub(noise.mul(b)));
        }
    }
}
