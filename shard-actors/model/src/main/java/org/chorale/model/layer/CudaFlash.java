// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.chorale.model.layer.FlashAttention.Attended;
import org.chorale.tensor.Operator;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * FlashAttention 2 as libtorch has it, for bf16 and fp16 (Dao 2023, arXiv 2307.08691): grouped heads, windows, and the
 * documents of packed sequences all in one launch, without a mask.
 *
 * <p>The log-sum-exp is [B, N, T], for packed sequences [N, B·T].
 */
final class CudaFlash implements AttentionKernel {
    static final String FORWARD = "aten::_flash_attention_forward";
    static final String BACKWARD = "aten::_flash_attention_backward";

    private static final double NO_DROPOUT = 0;
    private static final boolean NO_DEBUG_MASK = false;

    private final Operator forward = Operator.named(FORWARD);
    private final Operator backward = Operator.named(BACKWARD);

    @Override
    public Attended forward(Tensor q, Tensor k, Tensor v, Sight sight) {
        try (TensorScope scope = new TensorScope()) {
            Tensor[] attended = forward.call(forwardArguments(q, k, v, sight));
            return new Attended(scope.keep(like(q, attended[0])), scope.keep(attended[1]));
        }
    }

    @Override
    public Tensor[] backward(Tensor dMixed, Tensor q, Tensor k, Tensor v, Attended attended, Sight sight) {
        try (TensorScope scope = new TensorScope()) {
            Tensor[] gradients = backward.call(backwardArguments(dMixed, q, k, v, attended, sight));
            return new Tensor[] {
                scope.keep(like(q, gradients[0])), scope.keep(like(k, gradients[1])), scope.keep(like(v, gradients[2]))
            };
        }
    }

    static Object[] forwardArguments(Tensor q, Tensor k, Tensor v, Sight sight) {
        PackedDocuments documents = sight.documents();
        Object offsets = documents == null ? Operator.NONE : documents.offsets();
        return new Object[] {
            rows(q, documents),
            rows(k, documents),
            rows(v, documents),
            offsets,
            offsets,
            longest(q, documents),
            longest(k, documents),
            NO_DROPOUT,
            sight.causal(),
            NO_DEBUG_MASK,
            sight.scores().scaleArgument(), // scale
            windowBehind(sight),
            Operator.NONE, // window ahead: as causal says
            Operator.NONE, // keys used
            Operator.NONE // slopes
        };
    }

    /** Without dropout nobody reads the state of the random numbers: any tensor stands for it. */
    static Object[] backwardArguments(Tensor dMixed, Tensor q, Tensor k, Tensor v, Attended attended, Sight sight) {
        PackedDocuments documents = sight.documents();
        Object offsets = documents == null ? Operator.UNDEFINED : documents.offsets();
        return new Object[] {
            rows(dMixed, documents),
            rows(q, documents),
            rows(k, documents),
            rows(v, documents),
            rows(attended.mixed(), documents),
            attended.logSumExp(),
            offsets,
            offsets,
            longest(q, documents),
            longest(k, documents),
            NO_DROPOUT,
            sight.causal(),
            attended.logSumExp(), // random state
            attended.logSumExp(), // unused
            sight.scores().scaleArgument(), // scale
            windowBehind(sight),
            Operator.NONE // window ahead
        };
    }

    /** Tokens before the query's own; the kernel aligns the last query with the last key. */
    private static Object windowBehind(Sight sight) {
        return sight.limited() ? (Object) (sight.window() - 1) : Operator.NONE;
    }

    private static Long longest(Tensor x, @Nullable PackedDocuments documents) {
        return documents == null ? x.size(1) : documents.longestRun();
    }

    /** [B, T, heads, H], packed [B·T, heads, H] */
    private static Tensor rows(Tensor x, @Nullable PackedDocuments documents) {
        return documents == null ? x : x.flatten(0, 1);
    }

    private static Tensor like(Tensor x, Tensor result) {
        return result.dim() == x.dim() ? result : result.unflatten(0, x.size(0), x.size(1));
    }
}
