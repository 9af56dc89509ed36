// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.chorale.model.layer.FlashAttention.Attended;
import org.chorale.tensor.Operator;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * libtorch's memory-efficient kernel (Rabe and Staats 2021, arXiv 2112.05682), for fp32, where flash is not: its products
 * are as exact as fp32's whether tf32 is on or off. Documents of packed sequences go in one launch; keys and values are
 * repeated for each query head.
 *
 * <p>The log-sum-exp is [B, N, T], for packed sequences [runs, N, longest run], the last one rounded up.
 */
final class EfficientAttention implements AttentionKernel {
    static final String FORWARD = "aten::_efficient_attention_forward";
    static final String BACKWARD = "aten::_efficient_attention_backward";

    private static final double NO_DROPOUT = 0;
    private static final boolean WITH_LOG_SUM_EXP = true;
    private static final boolean NO_BIAS_GRADIENT = false;
    private static final boolean SEPARATE_GRADIENTS = false;
    private static final long UNMASKED = 0;
    private static final long CAUSAL = 1;

    private final Operator forward = Operator.named(FORWARD);
    private final Operator backward = Operator.named(BACKWARD);

    @Override
    public Attended forward(Tensor q, Tensor k, Tensor v, Sight sight) {
        try (TensorScope scope = new TensorScope()) {
            Tensor[] attended = forward.call(forwardArguments(q, k, v, sight));
            return new Attended(scope.keep(attended[0].view_as(q)), scope.keep(attended[1]));
        }
    }

    @Override
    public Tensor[] backward(Tensor dMixed, Tensor q, Tensor k, Tensor v, Attended attended, Sight sight) {
        try (TensorScope scope = new TensorScope()) {
            Tensor[] gradients = backward.call(backwardArguments(dMixed, q, k, v, attended, sight));
            return new Tensor[] {
                scope.keep(gradients[0].view_as(q)),
                scope.keep(summed(gradients[1], k)),
                scope.keep(summed(gradients[2], v))
            };
        }
    }

    static Object[] forwardArguments(Tensor q, Tensor k, Tensor v, Sight sight) {
        PackedDocuments documents = sight.documents();
        Object offsets = documents == null ? Operator.NONE : documents.offsets();
        Object longest = documents == null ? Operator.NONE : (Object) documents.longestRun();
        return new Object[] {
            sequences(q, documents),
            sequences(repeated(k, q), documents),
            sequences(repeated(v, q), documents),
            Operator.NONE, // bias
            offsets,
            offsets,
            longest,
            longest,
            NO_DROPOUT,
            sight.causal() ? CAUSAL : UNMASKED,
            WITH_LOG_SUM_EXP,
            sight.scores().scaleArgument(), // scale
            Operator.NONE, // keys used
            Operator.NONE // window
        };
    }

    /** Without dropout nobody reads its seed and offset: any tensor stands for them. */
    static Object[] backwardArguments(Tensor dMixed, Tensor q, Tensor k, Tensor v, Attended attended, Sight sight) {
        PackedDocuments documents = sight.documents();
        Object offsets = documents == null ? Operator.NONE : documents.offsets();
        return new Object[] {
            sequences(dMixed, documents),
            sequences(q, documents),
            sequences(repeated(k, q), documents),
            sequences(repeated(v, q), documents),
            Operator.NONE, // bias
            sequences(attended.mixed(), documents),
            offsets,
            offsets,
            documents == null ? q.size(1) : documents.longestRun(),
            documents == null ? k.size(1) : documents.longestRun(),
            attended.logSumExp(),
            NO_DROPOUT,
            attended.logSumExp(), // seed
            attended.logSumExp(), // offset
            sight.causal() ? CAUSAL : UNMASKED,
            NO_BIAS_GRADIENT,
            sight.scores().scaleArgument(), // scale
            Operator.NONE, // into how many parts the keys are split
            Operator.NONE, // window
            SEPARATE_GRADIENTS
        };
    }

    /** [B, T, heads, H], packed [1, B·T, heads, H] */
    private static Tensor sequences(Tensor x, @Nullable PackedDocuments documents) {
        return documents == null ? x : x.flatten(0, 1).unsqueeze(0);
    }

    /** [B, S, K, H] → [B, S, N, H], each head for all query heads that share it */
    private static Tensor repeated(Tensor x, Tensor q) {
        long shared = q.size(2) / x.size(2);
        return shared == 1 ? x : x.unsqueeze(3).expand(-1, -1, -1, shared, -1).flatten(2, 3);
    }

    /** [B, S, N, H] → [B, S, K, H] */
    private static Tensor summed(Tensor gradient, Tensor x) {
        long heads = gradient.size(2);
        return heads == x.size(2)
                ? gradient.view_as(x)
                : gradient.unflatten(2, x.size(2), -1).sum(3).view_as(x);
    }
}
