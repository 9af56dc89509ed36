// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.Operator;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * softmax(q kᵀ/√H + mask) v by libtorch's flash kernel for the CPU, which never holds the scores as a whole (Dao 2023,
 * arXiv 2307.08691).
 *
 * <p>B batch, T tokens, N query heads, K key-value heads, H head width. The kernel runs in fp32 at least: in bf16 it
 * takes six times as long (79 ms instead of 13 ms for B 4, N 8, T 256, H 64 on two cores) and rounds its sums.
 */
final class FlashAttention {
    private static final double NO_DROPOUT = 0;

    private final Operator forward = Operator.named("aten::_scaled_dot_product_flash_attention_for_cpu");
    private final Operator backward = Operator.named("aten::_scaled_dot_product_flash_attention_for_cpu_backward");

    /**
     * What a forward leaves for its backward.
     *
     * @param mixed the values that each query has seen, [B, T, N, H]
     * @param logSumExp of each query's scores, [B, T, N]
     */
    record Attended(Tensor mixed, Tensor logSumExp) {}

    /** q [B, T, N, H]; k and v [B, T, K, H] */
    Attended forward(Tensor q, Tensor k, Tensor v, SequenceContext context) {
        List<DocumentSpan> documents = context.documents();
        return documents == null
                ? forward(q, k, v, context.mask() == null, context.mask())
                : forwardEach(q, k, v, documents);
    }

    /** q [B, t, N, H] over k and v [B, S, K, H]: causal (S is t then), under a mask [B or 1, 1, t, S], or neither. */
    Attended forward(Tensor q, Tensor k, Tensor v, boolean causal, @Nullable Tensor mask) {
        try (TensorScope scope = new TensorScope()) {
            Tensor[] attended = forward.call(
                    headsFirst(Wide.of(q)),
                    headsFirst(Wide.of(k)),
                    headsFirst(Wide.of(v)),
                    NO_DROPOUT,
                    causal,
                    optional(mask),
                    Operator.NONE);
            Tensor mixed = headsFirst(attended[0]).to(q.scalar_type());
            return new Attended(scope.keep(mixed), scope.keep(attended[1].transpose(1, 2)));
        }
    }

    /** @return the gradients of q, k and v, in their shapes */
    Tensor[] backward(Tensor dMixed, Tensor q, Tensor k, Tensor v, Attended attended, SequenceContext context) {
        List<DocumentSpan> documents = context.documents();
        return documents == null
                ? backward(dMixed, q, k, v, attended, context.mask())
                : backwardEach(dMixed, q, k, v, attended, documents);
    }

    private Tensor[] backward(Tensor dMixed, Tensor q, Tensor k, Tensor v, Attended attended, @Nullable Tensor mask) {
        try (TensorScope scope = new TensorScope()) {
            Tensor[] gradients = backward.call(
                    headsFirst(Wide.of(dMixed)),
                    headsFirst(Wide.of(q)),
                    headsFirst(Wide.of(k)),
                    headsFirst(Wide.of(v)),
                    headsFirst(Wide.of(attended.mixed)),
                    attended.logSumExp.transpose(1, 2),
                    NO_DROPOUT,
                    mask == null,
                    optional(mask),
                    Operator.NONE);
            for (int i = 0; i < gradients.length; i++) {
                gradients[i] = scope.keep(headsFirst(gradients[i]).to(q.scalar_type()));
            }
            return gradients;
        }
    }

    /** Rows outside of all documents see nothing and get zeros. */
    private Attended forwardEach(Tensor q, Tensor k, Tensor v, List<DocumentSpan> documents) {
        try (TensorScope scope = new TensorScope()) {
            Tensor mixed = scope.keep(torch.zeros_like(q));
            Tensor logSumExp = scope.keep(torch.zeros_like(Wide.of(q).select(-1, 0)));
            for (DocumentSpan span : documents) {
                try (TensorScope document = new TensorScope()) {
                    Attended part = forward(part(q, span), part(k, span), part(v, span), true, null);
                    part(mixed, span).copy_(part.mixed);
                    part(logSumExp, span).copy_(part.logSumExp);
                }
            }
            return new Attended(mixed, logSumExp);
        }
    }

    private Tensor[] backwardEach(
            Tensor dMixed, Tensor q, Tensor k, Tensor v, Attended attended, List<DocumentSpan> documents) {
        Tensor[] gradients = {torch.zeros_like(q), torch.zeros_like(k), torch.zeros_like(v)};
        for (DocumentSpan span : documents) {
            try (TensorScope document = new TensorScope()) {
                Attended of = new Attended(part(attended.mixed, span), part(attended.logSumExp, span));
                Tensor[] parts =
                        backward(part(dMixed, span), part(q, span), part(k, span), part(v, span), of, (Tensor) null);
                for (int i = 0; i < gradients.length; i++) {
                    part(gradients[i], span).copy_(parts[i]);
                }
            }
        }
        return gradients;
    }

    /** [B, T, …] → [documents, tokens, …], a view. */
    private static Tensor part(Tensor x, DocumentSpan span) {
        return x.flatten(0, 1)
                .narrow(0, span.row(), span.rows())
                .unflatten(0, new long[] {span.documents(), span.tokens()});
    }

    /** [B, T, heads, H] ↔ [B, heads, T, H] */
    private static Tensor headsFirst(Tensor x) {
        return x.transpose(1, 2);
    }

    private static Object optional(@Nullable Tensor mask) {
        return mask == null ? Operator.NONE : mask;
    }
}
