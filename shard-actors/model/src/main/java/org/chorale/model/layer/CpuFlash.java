// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import static org.chorale.model.layer.AttentionKernel.headsFirst;

import org.bytedeco.pytorch.Tensor;
import org.chorale.model.layer.FlashAttention.Attended;
import org.chorale.tensor.Operator;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * libtorch's flash kernel for the CPU. It runs in fp32 at least: in bf16 it takes six times as long (79 ms instead of 13
 * ms for B 4, N 8, T 256, H 64 on two cores) and rounds its sums. The log-sum-exp is [B, T, N].
 */
final class CpuFlash implements AttentionKernel {
    private static final double NO_DROPOUT = 0;

    private final Operator forward = Operator.named("aten::_scaled_dot_product_flash_attention_for_cpu");
    private final Operator backward = Operator.named("aten::_scaled_dot_product_flash_attention_for_cpu_backward");

    @Override
    public Attended forward(Tensor q, Tensor k, Tensor v, Sight sight) {
        try (TensorScope scope = new TensorScope()) {
            Tensor wide = Wide.of(q);
            Tensor mask = mask(sight, wide, k);
            Tensor[] attended = forward.call(
                    headsFirst(wide),
                    headsFirst(Wide.of(k)),
                    headsFirst(Wide.of(v)),
                    NO_DROPOUT,
                    sight.causal() && mask == null,
                    optional(mask),
                    sight.scores().scaleArgument());
            Tensor mixed = headsFirst(attended[0]).to(q.scalar_type());
            return new Attended(scope.keep(mixed), scope.keep(headsFirst(attended[1])));
        }
    }

    @Override
    public Tensor[] backward(Tensor dMixed, Tensor q, Tensor k, Tensor v, Attended attended, Sight sight) {
        try (TensorScope scope = new TensorScope()) {
            Tensor wide = Wide.of(q);
            Tensor mask = mask(sight, wide, k);
            Tensor[] gradients = backward.call(
                    headsFirst(Wide.of(dMixed)),
                    headsFirst(wide),
                    headsFirst(Wide.of(k)),
                    headsFirst(Wide.of(v)),
                    headsFirst(Wide.of(attended.mixed())),
                    headsFirst(attended.logSumExp()),
                    NO_DROPOUT,
                    sight.causal() && mask == null,
                    optional(mask),
                    sight.scores().scaleArgument());
            for (int i = 0; i < gradients.length; i++) {
                gradients[i] = scope.keep(headsFirst(gradients[i]).to(q.scalar_type()));
            }
            return gradients;
        }
    }

    /** In the dtype of the computation: beside fp64 scores the kernel reads a mask of fp32 wrongly. */
    private static @Nullable Tensor mask(Sight sight, Tensor wide, Tensor k) {
        Tensor mask = sight.additive(wide, k);
        return mask == null ? null : mask.to(wide.scalar_type());
    }

    private static Object optional(@Nullable Tensor mask) {
        return mask == null ? Operator.NONE : mask;
    }
}
