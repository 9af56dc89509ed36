// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.TensorScope;

/** A {@link Matmul} for each expert that has rows: the reference, which takes everything. */
record EachProduct(Routing routing) implements GroupedMatmul {
    @Override
    public Tensor of(Tensor x, Tensor w) {
        Tensor y = torch.empty(new long[] {x.size(0), w.size(2)}, x.options(), null);
        for (int expert = 0; expert < w.size(0); expert++) {
            if (routing.count(expert) > 0) {
                try (TensorScope scope = new TensorScope()) {
                    Matmul.write(routing.part(y, expert), routing.part(x, expert), w.select(0, expert), 1);
                }
            }
        }
        return y;
    }

    @Override
    public void write(Tensor sums, Tensor a, Tensor b, double scale) {
        for (int expert = 0; expert < sums.size(0); expert++) {
            try (TensorScope scope = new TensorScope()) {
                Tensor sum = sums.select(0, expert);
                if (routing.count(expert) == 0) {
                    sum.zero_();
                } else {
                    Matmul.write(sum, routing.part(a, expert).t(), routing.part(b, expert), scale);
                }
            }
        }
    }

    @Override
    public void addTo(Tensor sums, Tensor a, Tensor b, double scale) {
        for (int expert = 0; expert < sums.size(0); expert++) {
            if (routing.count(expert) > 0) {
                try (TensorScope scope = new TensorScope()) {
                    Tensor own = routing.part(a, expert).t();
                    Matmul.addTo(sums.select(0, expert), own, routing.part(b, expert), scale);
                }
            }
        }
    }
}
