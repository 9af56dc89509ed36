// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.chorale.model.fp8.Fp8Matmul;
import org.chorale.model.fp8.Fp8Matmul.Sums;
import org.chorale.model.fp8.Fp8Matrix;
import org.chorale.tensor.TensorScope;

/** What a backward adds to gradients: as the first it is written there, which saves the pass that an addition takes. */
sealed interface GradientAddend {
    void write(Tensor gradient);

    void addTo(Tensor gradient);

    /** The part for some of the gradient's rows. */
    GradientAddend rows(long from, long count);

    /** scale·aᵀ·b of a [R, m] and b [R, n], for a gradient [m, n]. */
    record Product(Tensor a, Tensor b, double scale) implements GradientAddend {
        @Override
        public void write(Tensor gradient) {
            try (TensorScope scope = new TensorScope()) {
                Matmul.write(gradient, a.t(), b, scale);
            }
        }

        @Override
        public void addTo(Tensor gradient) {
            try (TensorScope scope = new TensorScope()) {
                Matmul.addTo(gradient, a.t(), b, scale);
            }
        }

        @Override
        public GradientAddend rows(long from, long count) {
            return new Product(a.narrow(1, from, count), b, scale);
        }
    }

    /** scale·aᵀ·b of the rows of each expert, a [S, m] and b [S, n], for gradients [E, m, n]; their rows are m. */
    record Grouped(GroupedMatmul products, Tensor a, Tensor b, double scale) implements GradientAddend {
        @Override
        public void write(Tensor gradient) {
            products.write(gradient, a, b, scale);
        }

        @Override
        public void addTo(Tensor gradient) {
            products.addTo(gradient, a, b, scale);
        }

        @Override
        public GradientAddend rows(long from, long count) {
            return new Grouped(products, a.narrow(1, from, count), b, scale);
        }
    }

    /** a·bᵀ of FP8 factors a [m, R] and b [n, R], for an fp32 gradient [m, n]. */
    record Fp8Product(Fp8Matrix a, Fp8Matrix b) implements GradientAddend {
        @Override
        public void write(Tensor gradient) {
            Fp8Matmul.into(gradient, a, b, Sums.EXACT);
        }

        @Override
        public void addTo(Tensor gradient) {
            try (TensorScope scope = new TensorScope()) {
                gradient.add_(Fp8Matmul.of(a, b, gradient.scalar_type().intern(), Sums.EXACT));
            }
        }

        @Override
        public GradientAddend rows(long from, long count) {
            return new Fp8Product(new Fp8Matrix(a.values().narrow(0, from, count), a.inverse()), b);
        }
    }
}
