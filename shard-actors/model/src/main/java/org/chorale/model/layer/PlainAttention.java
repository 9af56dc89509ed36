// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.kernel.SharesKernel;
import org.chorale.model.kernel.SharesKernel.Gradients;
import org.chorale.model.layer.FlashAttention.Attended;
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
    /** Bytes of scores that a pass holds at once, unless those of a single query and head are more. */
    static final long MAX_SCORE_BYTES = 320L << 20;

    private final long maxScoreBytes;

    PlainAttention() {
        this(MAX_SCORE_BYTES);
    }

    /** @param maxScoreBytes held at once, unless those of a single query and head are more */
    PlainAttention(long maxScoreBytes) {
        this.maxScoreBytes = maxScoreBytes;
    }

    /**
     * Bytes of scores that a backward without a mask holds at once on a GPU, at most.
     *
     * @param heads N
     * @param rows of all sequences
     */
    static long scoreBytes(ScalarType type, long heads, long rows) {
        long bytesOfScore = type == ScalarType.Double ? Double.BYTES : Float.BYTES;
        long all = bytesOfScore * heads * rows * ScoreMemory.stride(rows);
        return Math.min(MAX_SCORE_BYTES, SharesKernel.backwardBlocks(type) * all);
    }

    @Override
    public Attended forward(Tensor q, Tensor k, Tensor v, Sight sight) {
        try (TensorScope scope = new TensorScope()) {
            Operands operands = Operands.of(q, k, v, sight);
            Tensor mixed = torch.empty_like(operands.q); // [B·K, T, G, H]
            List<ScoreBlock> blocks = blocks(q, k, sight, operands.kernel.forwardBlocks());
            ScoreMemory scores = operands.memory(blocks);
            for (ScoreBlock block : blocks) {
                try (TensorScope ofBlock = new TensorScope()) {
                    Tensor shares = operands.shares(block, scores);
                    BatchedMatmul.write(matrix(block.ofQueries(mixed)), shares, block.ofKeys(operands.v), 1);
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
            Sums sums = new Sums(torch.empty_like(operands.q), zeros(operands.k), zeros(operands.v));
            List<ScoreBlock> blocks = blocks(q, k, sight, operands.kernel.backwardBlocks());
            try (TensorScope ofScores = new TensorScope()) { // gone before what follows makes copies
                ScoreMemory scores = operands.memory(blocks);
                ScoreMemory dShares = operands.memory(blocks);
                for (ScoreBlock block : blocks) {
                    try (TensorScope ofBlock = new TensorScope()) {
                        Tensor dBlock = matrix(block.ofQueries(dOut));
                        Gradients gradients = operands.gradients(block, dBlock, scores, dShares);
                        operands.add(block, gradients, dBlock, sight.scores().scaleFor(q), sums);
                    }
                }
            }
            return new Tensor[] {
                scope.keep(inOrder(sums.dq, q)),
                scope.keep(inOrder(sums.dk.unsqueeze(2), k)),
                scope.keep(inOrder(sums.dv.unsqueeze(2), v))
            };
        }
    }

    /**
     * What a backward makes, block by block.
     *
     * @param dq [B·K, T, G, H], written once
     * @param dk [B·K, S, H], added to
     * @param dv [B·K, S, H], added to
     */
    private record Sums(Tensor dq, Tensor dk, Tensor dv) {}

    /** @param held how many times the scores of one are held at once */
    private List<ScoreBlock> blocks(Tensor q, Tensor k, Sight sight, int held) {
        long bytesOfScore = Math.max(Float.BYTES, q.element_size());
        long launchedScores = q.is_cuda() ? ScoreBlock.LAUNCHED_SCORES : 0;
        return ScoreBlock.of(q, k, sight, Math.max(1, maxScoreBytes / held / bytesOfScore), launchedScores);
    }

    /**
     * What all blocks read.
     *
     * @param q [B·K, T, G, H]
     * @param k [B·K, S, H]
     * @param v [B·K, S, H]
     */
    private record Operands(Tensor q, Tensor k, Tensor v, double scale, SharesKernel kernel, QueryLimits limits) {
        static Operands of(Tensor q, Tensor k, Tensor v, Sight sight) {
            long heads = k.size(2);
            return new Operands(
                    perKeyHead(q, heads, sight),
                    perKeyHead(k, heads, sight).squeeze(2),
                    perKeyHead(v, heads, sight).squeeze(2),
                    sight.scores().productScale(q),
                    SharesKernel.of(q, sight.scores().cap()),
                    new QueryLimits(sight, q, k));
        }

        ScoreMemory memory(List<ScoreBlock> blocks) {
            return ScoreMemory.of(blocks, q, q.size(2));
        }

        /** [heads, queries·G, keys] in the dtype of q. */
        Tensor shares(ScoreBlock block, ScoreMemory scores) {
            return kernel.forward(products(block, scores), block.queries(), limits.of(block));
        }

        /** @param dMixed [heads, queries·G, H] */
        Gradients gradients(ScoreBlock block, Tensor dMixed, ScoreMemory scores, ScoreMemory dShares) {
            Tensor dOfBlock = dShares.of(block);
            BatchedMatmul.write(dOfBlock, dMixed, block.ofKeys(v).transpose(1, 2), 1);
            return kernel.backward(products(block, scores), dOfBlock, block.queries(), limits.of(block));
        }

        void add(ScoreBlock block, Gradients gradients, Tensor dMixed, double ofScores, Sums sums) {
            Tensor dProducts = gradients.dProducts();
            BatchedMatmul.addTo(block.ofKeys(sums.dv), gradients.shares().transpose(1, 2), dMixed, 1);
            BatchedMatmul.write(matrix(block.ofQueries(sums.dq)), dProducts, block.ofKeys(k), ofScores);
            BatchedMatmul.addTo(block.ofKeys(sums.dk), dProducts.transpose(1, 2), matrix(block.ofQueries(q)), ofScores);
        }

        private Tensor products(ScoreBlock block, ScoreMemory scores) {
            Tensor products = scores.of(block);
            BatchedMatmul.write(
                    products, matrix(block.ofQueries(q)), block.ofKeys(k).transpose(1, 2), scale);
            return products;
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

    /** In which gradients are summed. */
    private static Tensor zeros(Tensor like) {
        ScalarType type = Wide.is(like) ? like.scalar_type().intern() : ScalarType.Float;
        return Device.of(like).zeros(type, like.sizes().vec().get());
    }
}
