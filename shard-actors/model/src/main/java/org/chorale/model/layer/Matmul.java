// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.Operator;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;

/**
 * Matrix products in the dtype of the computation, and sums of them in the dtype of the sum.
 *
 * <p>On the CPU, fp16 goes through fp32 and is rounded once at the end, as a GPU does it. libtorch's own fp16 product
 * is as right and, where the factors do not lie as it likes, up to a hundred times slower: 288 ms instead of 3 ms for
 * [512, 1024]·[1024, 512] on two cores.
 */
final class Matmul {
    /** out = β·self + α·a·b with bf16 or fp16 factors and an fp32 sum, of which nothing is rounded in between; on GPUs. */
    private static final Operator INTO_FLOAT = Operator.named("aten::addmm", "dtype_out");

    private static final Long FLOAT = (long) ScalarType.Float.value;

    private Matmul() {}

    /** a·b */
    static Tensor of(Tensor a, Tensor b) {
        if (!throughFloat(a)) {
            return a.mm(b);
        }
        try (TensorScope scope = new TensorScope()) {
            return scope.keep(wideProduct(a, b).to(a.scalar_type()));
        }
    }

    /** a·b + bias, the bias added to every row */
    static Tensor of(Tensor a, Tensor b, Tensor bias) {
        if (!throughFloat(a)) {
            return torch.addmm(bias, a, b);
        }
        try (TensorScope scope = new TensorScope()) {
            return scope.keep(wideProduct(a, b).add_(bias).to(a.scalar_type()));
        }
    }

    /** a·b, unrounded: in fp32 where the factors are bf16 or fp16. */
    static Tensor wide(Tensor a, Tensor b) {
        if (Wide.is(a)) {
            return a.mm(b);
        }
        if (!a.is_cuda()) {
            return wideProduct(a, b);
        }
        return torch.mm(a, b, ScalarType.Float);
    }

    /** sum += a·b */
    static void addTo(Tensor sum, Tensor a, Tensor b) {
        addTo(sum, a, b, 1);
    }

    /** sum += scale·a·b */
    static void addTo(Tensor sum, Tensor a, Tensor b, double scale) {
        accumulate(1, sum, a, b, scale);
    }

    /** sum = scale·a·b, of which sum may be a part of a wider matrix; what it holds is not read. */
    static void write(Tensor sum, Tensor a, Tensor b, double scale) {
        accumulate(0, sum, a, b, scale);
    }

    /** @param weight of what sum holds: 1, or 0 where it may be anything, NaN as well */
    private static void accumulate(double weight, Tensor sum, Tensor a, Tensor b, double scale) {
        if (sum.scalar_type().intern() == a.scalar_type().intern() && !throughFloat(a)) {
            sum.addmm_(a, b, Scalars.of(weight), Scalars.of(scale));
            return;
        }
        if (a.is_cuda() && sum.scalar_type().intern() == ScalarType.Float) {
            INTO_FLOAT.call(sum, a, b, FLOAT, weight, scale, sum);
            return;
        }
        try (TensorScope scope = new TensorScope()) {
            if (weight == 0) {
                sum.zero_();
            }
            sum.add_(throughFloat(a) ? wideProduct(a, b) : a.mm(b), Scalars.of(scale));
        }
    }

    private static boolean throughFloat(Tensor a) {
        return a.scalar_type().intern() == ScalarType.Half && a.is_cpu();
    }

    private static Tensor wideProduct(Tensor a, Tensor b) {
        return a.to(ScalarType.Float).mm(b.to(ScalarType.Float));
    }
}
