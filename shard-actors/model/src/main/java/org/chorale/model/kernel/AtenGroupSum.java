// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.kernel;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;

/** The sums of groups' products by ATen's operators. */
final class AtenGroupSum implements GroupSumKernel {
    static final AtenGroupSum INSTANCE = new AtenGroupSum();

    private AtenGroupSum() {}

    @Override
    public void add(Tensor sums, Tensor products, Tensor ends, double scale, boolean first) {
        try (TensorScope scope = new TensorScope()) {
            Tensor begins = torch.zeros_like(ends); // [E]
            begins.narrow(0, 1, ends.numel() - 1).copy_(ends.narrow(0, 0, ends.numel() - 1));
            Tensor has = ends.gt(begins).view(-1, 1, 1); // [E, 1, 1]
            Tensor addend = torch.where(has, products.to(sums.scalar_type()), torch.zeros_like(sums));
            if (first) {
                sums.copy_(addend.mul_(Scalars.of(scale)));
            } else {
                sums.add_(addend, Scalars.of(scale));
            }
        }
    }
}
