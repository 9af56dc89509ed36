// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.Operator;
import org.chorale.tensor.Scalars;

/**
 * Products of matrices in pairs, [n, rows, inner] · [n, inner, columns], and sums of them in the dtype of the sum: that of
 * the factors, or on GPUs fp32 where the factors are bf16 or fp16, of which nothing is rounded in between then. Results
 * may be parts of wider matrices.
 */
final class BatchedMatmul {
    private static final Operator INTO_FLOAT = Operator.named("aten::baddbmm", "dtype_out");
    private static final Long FLOAT = (long) ScalarType.Float.value;

    private BatchedMatmul() {}

    /** product = scale·a·b; what it holds is not read. */
    static void write(Tensor product, Tensor a, Tensor b, double scale) {
        accumulate(0, product, a, b, scale);
    }

    /** sum += scale·a·b */
    static void addTo(Tensor sum, Tensor a, Tensor b, double scale) {
        accumulate(1, sum, a, b, scale);
    }

    private static void accumulate(double weight, Tensor sum, Tensor a, Tensor b, double scale) {
        if (sum.scalar_type().intern() == a.scalar_type().intern()) {
            sum.baddbmm_(a, b, Scalars.of(weight), Scalars.of(scale));
        } else {
            INTO_FLOAT.call(sum, a, b, FLOAT, weight, scale, sum);
        }
    }
}
