// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import static org.chorale.model.layer.AttentionKernel.headsFirst;

import org.bytedeco.pytorch.Tensor;
import org.chorale.model.layer.FlashAttention.Attended;
import org.chorale.tensor.Operator;
import org.chorale.tensor.TensorScope;

/**
 * cuDNN's fused attention, for bf16 and fp16: causal, whole sequences, grouped heads. cuDNN makes a plan for each shape
 * at its first use, and throws where it has none. The log-sum-exp is [B, N, T, 1].
 */
final class CudnnAttention implements AttentionKernel {
    static final String FORWARD = "aten::_scaled_dot_product_cudnn_attention";
    static final String BACKWARD = "aten::_scaled_dot_product_cudnn_attention_backward";

    private static final double NO_DROPOUT = 0;
    private static final boolean WITH_LOG_SUM_EXP = true;
    private static final boolean NO_DEBUG_MASK = false;

    private final Operator forward = Operator.named(FORWARD);
    private final Operator backward = Operator.named(BACKWARD);

    @Override
    public Attended forward(Tensor q, Tensor k, Tensor v, Sight sight) {
        try (TensorScope scope = new TensorScope()) {
            Tensor[] attended = forward.call(forwardArguments(q, k, v, sight));
            return new Attended(scope.keep(headsFirst(attended[0])), scope.keep(attended[1]));
        }
    }

    @Override
    public Tensor[] backward(Tensor dMixed, Tensor q, Tensor k, Tensor v, Attended attended, Sight sight) {
        try (TensorScope scope = new TensorScope()) {
            Tensor[] gradients = backward.call(backwardArguments(dMixed, q, k, v, attended, sight));
            for (int i = 0; i < gradients.length; i++) {
                gradients[i] = scope.keep(headsFirst(gradients[i]));
            }
            return gradients;
        }
    }

    /** Views of [B, T, heads, H] memory, which cuDNN takes as it is. */
    static Object[] forwardArguments(Tensor q, Tensor k, Tensor v, Sight sight) {
        return new Object[] {
            headsFirst(q),
            headsFirst(k),
            headsFirst(v),
            Operator.NONE, // bias
            WITH_LOG_SUM_EXP,
            NO_DROPOUT,
            sight.causal(),
            NO_DEBUG_MASK,
            sight.scores().scaleArgument() // scale
        };
    }

    /** Without dropout nobody reads its seed and offset: any tensor stands for them. */
    static Object[] backwardArguments(Tensor dMixed, Tensor q, Tensor k, Tensor v, Attended attended, Sight sight) {
        return new Object[] {
            headsFirst(dMixed),
            headsFirst(q),
            headsFirst(k),
            headsFirst(v),
            headsFirst(attended.mixed()),
            attended.logSumExp(),
            attended.logSumExp(), // seed
            attended.logSumExp(), // offset
            Operator.UNDEFINED, // bias
            Operator.UNDEFINED, // offsets of packed queries
            Operator.UNDEFINED, // offsets of packed keys
            q.size(1),
            k.size(1),
            NO_DROPOUT,
            sight.causal(),
            sight.scores().scaleArgument() // scale
        };
    }
}
