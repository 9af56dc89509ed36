// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.fp8;

import static org.chorale.tensor.Operator.NONE;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.Operator;
import org.chorale.tensor.TensorScope;

/**
 * Products with FP8 factors: a·bᵀ, both of which lie such that the sum runs along their rows, as Hopper's matrix units
 * want it.
 *
 * <p>On a CPU the same is computed in fp32 from what the factors stand for: slowly, so that a run can be tried there.
 */
public final class Fp8Matmul {
    private static final Operator SCALED_MM = Operator.named("aten::_scaled_mm");
    private static final Operator SCALED_MM_INTO = Operator.named("aten::_scaled_mm", "out");

    /** How exactly a product is summed, where the device has a choice. */
    public enum Sums {
        /** In the matrix unit's own registers, of fewer bits than fp32: enough for a forward. */
        FAST,
        /** Carried over into fp32 every few products: for a backward (the habit of Transformer Engine and torchao). */
        EXACT
    }

    private Fp8Matmul() {}

    /**
     * @param a [M, K]
     * @param b [N, K], N a multiple of 16; at most one of the two is E5M2, and both have one scale or both one for each row
     * @param type of the result: bf16, or fp32 where the scales are one each
     * @return [M, N]
     */
    public static Tensor of(Fp8Matrix a, Fp8Matrix b, ScalarType type, Sums sums) {
        try (TensorScope scope = new TensorScope()) {
            return scope.keep(a.values().is_cuda() ? scaled(a, b, type, sums) : emulated(a, b, type));
        }
    }

    /** Likewise, written into out [M, N]. */
    public static void into(Tensor out, Fp8Matrix a, Fp8Matrix b, Sums sums) {
        try (TensorScope scope = new TensorScope()) {
            ScalarType type = out.scalar_type().intern();
            if (a.values().is_cuda()) {
                SCALED_MM_INTO.call(
                        a.values(),
                        b.values().t(),
                        a.inverse(),
                        ofColumns(b),
                        NONE,
                        NONE,
                        (long) type.value,
                        fast(sums),
                        out);
            } else {
                out.copy_(emulated(a, b, type));
            }
        }
    }

    private static Tensor scaled(Fp8Matrix a, Fp8Matrix b, ScalarType type, Sums sums) {
        if (a.inverse().dim() < b.inverse().dim()) { // a single row by rows: its scale is taken for one of the whole
            return scaled(twice(a), b, type, sums).narrow(0, 0, 1);
        }
        return SCALED_MM
                .call(a.values(), b.values().t(), a.inverse(), ofColumns(b), NONE, NONE, (long) type.value, fast(sums))[
                0];
    }

    private static Fp8Matrix twice(Fp8Matrix row) {
        return new Fp8Matrix(
                row.values().expand(2, row.values().size(1)).contiguous(),
                row.inverse().view(1, 1).expand(2, 1).contiguous());
    }

    /** What the columns of a result are multiplied by: [1], or [1, N]. */
    private static Tensor ofColumns(Fp8Matrix b) {
        return b.inverse().dim() == 1 ? b.inverse() : b.inverse().t();
    }

    private static boolean fast(Sums sums) {
        return sums == Sums.FAST;
    }

    private static Tensor emulated(Fp8Matrix a, Fp8Matrix b, ScalarType type) {
        Tensor wide = a.values()
                .to(ScalarType.Float)
                .mm(b.values().to(ScalarType.Float).t());
        return wide.mul_(a.inverse()).mul_(ofColumns(b)).to(type);
    }
}
