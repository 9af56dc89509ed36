// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.model.layer.FlashAttention.Attended;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * The formula by matrix products, in fp32 at least, with the scores in memory as a whole: for what no kernel takes, and
 * the reference of all that do. The log-sum-exp is [B, T, N].
 *
 * <p>G = N/K query heads share a key-value head. They are laid one behind the other, [B, K, G·T, H], so that no key or
 * value is copied and one product sums their gradients.
 */
final class PlainAttention implements AttentionKernel {
    private static final long[] LAST = {-1};

    @Override
    public Attended forward(Tensor q, Tensor k, Tensor v, Sight sight) {
        try (TensorScope scope = new TensorScope()) {
            Tensor scores = sight.scores().of(grouped(q, k), perHead(k)); // [B, K, G·T, S]
            addMask(scores, sight.wholeMask(q, k), q.size(1));
            Tensor mixed = ungrouped(torch.softmax(scores, -1).matmul(perHead(v)), q);
            Tensor logSumExp = ungrouped(torch.logsumexp(scores, LAST, true), q).squeeze(-1); // [B, T, N]
            return new Attended(scope.keep(mixed.to(q.scalar_type())), scope.keep(logSumExp));
        }
    }

    /**
     * With P the shares: dv = Pᵀ do; dS = P (do vᵀ − rowsum(do · o)) · scale, times the slope of a cap; dq = dS k;
     * dk = dSᵀ q.
     */
    @Override
    public Tensor[] backward(Tensor dMixed, Tensor q, Tensor k, Tensor v, Attended attended, Sight sight) {
        try (TensorScope scope = new TensorScope()) {
            Tensor groupedQ = grouped(q, k);
            Tensor keys = perHead(k);
            Tensor dOut = grouped(dMixed, k);
            Tensor dotted = dOut.mul(grouped(attended.mixed(), k)).sum(LAST, true, null); // [B, K, G·T, 1]
            Tensor logSumExp = grouped(attended.logSumExp().unsqueeze(-1), k);
            Tensor scores = sight.scores().of(groupedQ, keys);
            Tensor slope = sight.scores().slope(scores);
            addMask(scores, sight.wholeMask(q, k), q.size(1));
            Tensor shares = scores.sub_(logSumExp).exp_();
            Tensor dv = shares.transpose(-2, -1).matmul(dOut); // [B, K, S, H]
            Tensor dScores =
                    dOut.matmul(perHead(v).transpose(-2, -1)).sub_(dotted).mul_(shares);
            dScores.mul_(Scalars.of(sight.scores().scaleFor(q)));
            if (slope != null) {
                dScores.mul_(slope);
            }
            Tensor[] gradients = {
                ungrouped(dScores.matmul(keys), q),
                AttentionKernel.headsFirst(dScores.transpose(-2, -1).matmul(groupedQ)),
                AttentionKernel.headsFirst(dv)
            };
            for (int i = 0; i < gradients.length; i++) {
                gradients[i] = scope.keep(gradients[i].to(q.scalar_type()).contiguous());
            }
            return gradients;
        }
    }

    /** [B, K, G·T, S] += [B or 1, 1, T, S] */
    private static void addMask(Tensor scores, @Nullable Tensor mask, long queries) {
        if (mask != null) {
            scores.unflatten(2, -1, queries).add_(mask.unsqueeze(1)); // [B, K, G, T, S] + [B or 1, 1, 1, T, S]
        }
    }

    /** [B, T, N, H] → [B, K, G·T, H] */
    private static Tensor grouped(Tensor x, Tensor k) {
        return Wide.of(x).unflatten(2, k.size(2), -1).permute(0, 2, 3, 1, 4).flatten(2, 3);
    }

    /** [B, K, G·T, H] → [B, T, N, H] */
    private static Tensor ungrouped(Tensor x, Tensor q) {
        return x.unflatten(2, -1, q.size(1)).permute(0, 3, 1, 2, 4).flatten(2, 3);
    }

    /** [B, S, K, H] → [B, K, S, H] */
    private static Tensor perHead(Tensor x) {
        return AttentionKernel.headsFirst(Wide.of(x));
    }
}
