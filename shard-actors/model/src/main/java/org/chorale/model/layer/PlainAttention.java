// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.layer.FlashAttention.Attended;
import org.chorale.tensor.Operator;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;

/**
 * The formula by matrix products, block by block of the scores: for what no kernel takes, capped scores above all, and the
 * reference of all that do. A block has all keys that its queries see, so that the backward finds their shares again from
 * q and k alone, and the log-sum-exp is left out. Nothing that grows with T·S outlives a block.
 *
 * <p>G = N/K query heads share a key-value head. They lie side by side, [B·K, T, G, H], so that a block of queries is one
 * matrix [T·G, H] for each of these, no key or value is copied, and one product sums their gradients.
 *
 * <p>On a GPU the factors of products are of the dtype of q, as in flash, and all else is fp32 at least; on the CPU
 * everything is.
 */
final class PlainAttention implements AttentionKernel {
    /** Blocks of scores that a backward holds at once: of products, shares, and gradients before and behind the cap. */
    static final int HELD_BLOCKS = 5;

    private static final Operator SOFTMAX_BACKWARD = Operator.named("aten::_softmax_backward_data");
    private static final Long LAST = -1L;

    private final long maxBlockBytes;

    PlainAttention() {
        this(ScoreBlock.MAX_BYTES);
    }

    /** @param maxBlockBytes of scores, unless those of a single query and head are more */
    PlainAttention(long maxBlockBytes) {
        this.maxBlockBytes = maxBlockBytes;
    }

    @Override
    public Attended forward(Tensor q, Tensor k, Tensor v, Sight sight) {
        try (TensorScope scope = new TensorScope()) {
            Operands operands = Operands.of(q, k, v, sight);
            Tensor mixed = torch.empty_like(operands.q); // [B·K, T, G, H]
            for (ScoreBlock block : blocks(q, k, sight)) {
                try (TensorScope ofBlock = new TensorScope()) {
                    Tensor shares = operands.shares(block, operands.bent(block), false);
                    Tensor ofQueries = matrix(block.ofQueries(mixed));
                    BatchedMatmul.write(ofQueries, shares.to(mixed.scalar_type()), block.ofKeys(operands.v), 1);
                }
            }
            Tensor nothing = Device.of(q).empty(ScalarType.Float, 0);
            return new Attended(scope.keep(inOrder(mixed, q)), scope.keep(nothing));
        }
    }

    /**
     * With P the shares: dv = Pᵀ do; dS = P (do vᵀ − rowsum(P · do vᵀ)) · scale, times the slope of a cap; dq = dS k;
     * dk = dSᵀ q.
     */
    @Override
    public Tensor[] backward(Tensor dMixed, Tensor q, Tensor k, Tensor v, Attended attended, Sight sight) {
        try (TensorScope scope = new TensorScope()) {
            Operands operands = Operands.of(q, k, v, sight);
            Tensor dOut = perKeyHead(dMixed, k.size(2), sight); // [B·K, T, G, H]
            Tensor dq = torch.empty_like(operands.q);
            Tensor dk = sums(operands.k);
            Tensor dv = sums(operands.v);
            double scale = sight.scores().scaleFor(q);
            for (ScoreBlock block : blocks(q, k, sight)) {
                try (TensorScope ofBlock = new TensorScope()) {
                    Tensor dBlock = matrix(block.ofQueries(dOut));
                    Tensor dProducts = operands.backward(block, dBlock, block.ofKeys(dv));
                    Tensor keys = block.ofKeys(operands.k);
                    BatchedMatmul.write(matrix(block.ofQueries(dq)), dProducts, keys, scale);
                    BatchedMatmul.addTo(
                            block.ofKeys(dk), dProducts.transpose(1, 2), matrix(block.ofQueries(operands.q)), scale);
                }
            }
            return new Tensor[] {
                scope.keep(inOrder(dq, q)),
                scope.keep(inOrder(dk.unsqueeze(2), k)),
                scope.keep(inOrder(dv.unsqueeze(2), v))
            };
        }
    }

    private List<ScoreBlock> blocks(Tensor q, Tensor k, Sight sight) {
        long bytesOfScore = Math.max(Float.BYTES, q.element_size());
        return ScoreBlock.of(q, k, sight, Math.max(1, maxBlockBytes / bytesOfScore));
    }

    /**
     * What all blocks read.
     *
     * @param q [B·K, T, G, H]
     * @param k [B·K, S, H]
     * @param v [B·K, S, H]
     */
    private record Operands(Tensor q, Tensor k, Tensor v, Scores scores, HiddenKeys hidden) {
        static Operands of(Tensor q, Tensor k, Tensor v, Sight sight) {
            long heads = k.size(2);
            return new Operands(
                    perKeyHead(q, heads, sight),
                    perKeyHead(k, heads, sight).squeeze(2),
                    perKeyHead(v, heads, sight).squeeze(2),
                    sight.scores(),
                    new HiddenKeys(sight, q, k));
        }

        /** [heads, queries·G, keys] */
        Tensor bent(ScoreBlock block) {
            Tensor bent = BatchedMatmul.wide(
                    matrix(block.ofQueries(q)), block.ofKeys(k).transpose(1, 2), scores.productScale(q));
            scores.bend(bent);
            return bent;
        }

        /** [heads, queries·G, keys] */
        Tensor shares(ScoreBlock block, Tensor bent, boolean backward) {
            try (TensorScope scope = new TensorScope()) {
                Tensor ofBlock = scores.of(bent, backward);
                hidden.in(ofBlock.unflatten(1, block.queries(), -1), block);
                return scope.keep(torch.softmax(ofBlock, LAST));
            }
        }

        /**
         * The gradient of the products by scale, [heads, queries·G, keys] in the dtype of q.
         *
         * @param dMixed [heads, queries·G, H]
         * @param dValues [heads, keys, H], added to
         */
        Tensor backward(ScoreBlock block, Tensor dMixed, Tensor dValues) {
            try (TensorScope scope = new TensorScope()) {
                Tensor bent = bent(block);
                Tensor shares = shares(block, bent, true);
                addGradient(dValues, shares, dMixed);
                Tensor dScores = scoresGradient(block, shares, dMixed);
                return scope.keep(scores.gradient(dScores, bent).to(q.scalar_type()));
            }
        }

        private void addGradient(Tensor dValues, Tensor shares, Tensor dMixed) {
            try (TensorScope scope = new TensorScope()) {
                BatchedMatmul.addTo(dValues, shares.to(q.scalar_type()).transpose(1, 2), dMixed, 1);
            }
        }

        private Tensor scoresGradient(ScoreBlock block, Tensor shares, Tensor dMixed) {
            try (TensorScope scope = new TensorScope()) {
                Tensor dShares = BatchedMatmul.wide(dMixed, block.ofKeys(v).transpose(1, 2), 1);
                Long type = (long) shares.scalar_type().value;
                return scope.keep(SOFTMAX_BACKWARD.call(dShares, shares, LAST, type)[0]);
            }
        }
    }

    /** [B, T, heads, H] → [B·K, T, heads/K, H]; packed sequences are one. */
    private static Tensor perKeyHead(Tensor x, long keyHeads, Sight sight) {
        Tensor sequences = sight.documents() == null ? x : x.flatten(0, 1).unsqueeze(0);
        Tensor exact = x.is_cuda() ? sequences : Wide.of(sequences);
        return exact.unflatten(2, keyHeads, -1).transpose(1, 2).flatten(0, 1).contiguous();
    }

    /** The way back, to the shape and dtype of another. */
    private static Tensor inOrder(Tensor perKeyHead, Tensor like) {
        long keyHeads = like.size(2) / perKeyHead.size(2);
        Tensor heads = perKeyHead.unflatten(0, -1, keyHeads).transpose(1, 2);
        return heads.to(like.scalar_type()).reshape(like.sizes().vec().get()).contiguous();
    }

    /** [heads, queries, G, H] → [heads, queries·G, H]: a view. */
    private static Tensor matrix(Tensor ofQueries) {
        return ofQueries.flatten(1, 2);
    }

    /** Zeros in which gradients are summed. */
    private static Tensor sums(Tensor like) {
        return torch.zeros_like(Wide.of(like));
    }
}
