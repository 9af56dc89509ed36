// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * softmax(scores + mask) v by the kernel that suits the tensors; none holds the scores as a whole
 * (Dao 2023, arXiv 2307.08691).
 *
 * <p>B batch, T tokens, N query heads, K key-value heads, H head width.
 */
public final class FlashAttention {
    private final AttentionSettings settings = AttentionSettings.read(System.getProperties());
    private final long window;
    private final Scores scores;
    private final @Nullable AttentionWay forced;

    /** Made when attention first runs on a GPU, and shared by all layers, which have the same shape. */
    private static final class Shared {
        private static final AttentionChoice CHOICE =
                new AttentionChoice(AttentionSettings.read(System.getProperties()), new AttentionTiming());
    }

    /**
     * What a forward leaves for its backward.
     *
     * @param mixed the values that each query has seen, [B, T, N, H]
     * @param logSumExp of each query's scores, fp32 at least, in the order of the kernel that gave it; empty where its
     *     backward finds the shares without
     */
    public record Attended(Tensor mixed, Tensor logSumExp) {}

    public FlashAttention() {
        this(Sight.EVERYTHING, Scores.PLAIN, null);
    }

    private FlashAttention(long window, Scores scores, @Nullable AttentionWay forced) {
        if (window < 1) {
            throw new IllegalArgumentException("a window of " + window + " tokens: a query sees itself at least");
        }
        this.window = window;
        this.scores = scores;
        this.forced = forced;
    }

    /**
     * Attention with a sliding window, as Transformers counts it.
     *
     * @param tokens that a query sees at most, itself and those right before it
     */
    public static FlashAttention sliding(long tokens) {
        return new FlashAttention(tokens, Scores.PLAIN, null);
    }

    /** The same with other scores. No kernel takes capped ones: they are computed block by block. */
    public FlashAttention with(Scores other) {
        return new FlashAttention(window, other, forced);
    }

    /** The same, computed in one way whatever the tensors: it throws where that way does not take them. */
    public FlashAttention by(AttentionWay way) {
        return new FlashAttention(window, scores, way);
    }

    /** q [B, T, N, H]; k and v [B, T, K, H] */
    public Attended forward(Tensor q, Tensor k, Tensor v, SequenceContext context) {
        Sight sight = Sight.of(context, window, scores);
        return way(q, k, v, sight).kernel().forward(q, k, v, sight);
    }

    /** q [B, t, N, H] over k and v [B, S, K, H]: causal (S is t then), under a mask [B or 1, 1, t, S], or neither. */
    public Attended forward(Tensor q, Tensor k, Tensor v, boolean causal, @Nullable Tensor mask) {
        Sight sight = new Sight(causal, window, mask, null, scores);
        return unmeasuredWay(q, sight).kernel().forward(q, k, v, sight);
    }

    /** @return the gradients of q, k and v, in their shapes */
    public Tensor[] backward(Tensor dMixed, Tensor q, Tensor k, Tensor v, Attended attended, SequenceContext context) {
        Sight sight = Sight.of(context, window, scores);
        AttentionWay way = way(q, k, v, sight);
        return settings.deterministic() && way.hasUnorderedSums()
                ? Determinism.during(() -> way.kernel().backward(dMixed, q, k, v, attended, sight))
                : way.kernel().backward(dMixed, q, k, v, attended, sight);
    }

    /**
     * Bytes of scores that a backward without a mask holds at once on a GPU, at most; 0 where a kernel takes it.
     *
     * @param heads N
     * @param headWidth H
     * @param rows of all sequences
     */
    public long scoreBytes(ScalarType type, long heads, long headWidth, long rows) {
        Sight sight = new Sight(true, window, null, null, scores);
        if (!scores.capped() && AttentionWay.onGpu(type, headWidth, 1, sight) != AttentionWay.PLAIN) {
            return 0;
        }
        return PlainAttention.scoreBytes(type, heads, rows);
    }

    private AttentionWay way(Tensor q, Tensor k, Tensor v, Sight sight) {
        AttentionWay way = unmeasuredWay(q, sight);
        return forced == null && way == AttentionWay.FLASH && AttentionWay.suitsCudnn(q.size(3), q.size(1), sight)
                ? Shared.CHOICE.way(q, k, v)
                : way;
    }

    /** Likewise for lengths that change from call to call, for which nothing is measured. */
    private AttentionWay unmeasuredWay(Tensor q, Sight sight) {
        if (forced != null) {
            return forced;
        }
        if (scores.capped()) {
            return AttentionWay.PLAIN;
        }
        return q.is_cpu()
                ? AttentionWay.CPU
                : AttentionWay.onGpu(q.scalar_type().intern(), q.size(3), q.size(0), sight);
    }
}
