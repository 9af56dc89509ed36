// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import java.util.List;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.Scalars;
import org.jspecify.annotations.Nullable;

/** The layers as one would write them with libtorch's operators and autograd, in the order in which Transformers does. */
public final class PlainFormulas {
    private PlainFormulas() {}

    /** x Wᵀ + b */
    public static Tensor linear(Tensor x, Tensor weight, @Nullable Tensor bias) {
        return bias == null ? x.mm(weight.t()) : torch.addmm(bias, x, weight.t());
    }

    /** Normalised in fp32 at least, rounded to the input's dtype, and then weighted. */
    public static Tensor rmsNorm(Tensor x, Tensor weight, double epsilon) {
        Tensor wide = x.scalar_type().intern() == ScalarType.Double ? x : x.to(ScalarType.Float);
        Tensor meanSquare = wide.square().mean(new long[] {-1}, true, new ScalarTypeOptional());
        Tensor normalised = wide.mul(meanSquare.add(Scalars.of(epsilon)).rsqrt());
        return normalised.to(x.scalar_type()).mul(weight);
    }

    /** gate is what the gate's linear gave, and raised what the other one gave. */
    public static Tensor gated(Tensor gate, Tensor raised) {
        return torch.silu(gate).mul(raised);
    }

    /**
     * q [B, N, T, H]; k and v [B, K, T, H], turned already
     *
     * @param hidden [T, T] or [B, 1, T, T], true where a query must not see a key
     * @return [B, T, N·H]
     */
    public static Tensor attention(Tensor q, Tensor k, Tensor v, Tensor hidden) {
        long shared = q.size(1) / k.size(1);
        Tensor kOfEach = k.repeat_interleave(shared, new LongOptional(1), new LongOptional());
        Tensor vOfEach = v.repeat_interleave(shared, new LongOptional(1), new LongOptional());
        Tensor scores = q.matmul(kOfEach.transpose(-2, -1)).mul(Scalars.of(1 / Math.sqrt((double) q.size(-1))));
        Tensor wide = scores.scalar_type().intern() == ScalarType.Double ? scores : scores.to(ScalarType.Float);
        Tensor shares = torch.softmax(wide.masked_fill(hidden, Scalars.of(-1e30)), -1);
        Tensor mixed = shares.to(q.scalar_type()).matmul(vOfEach).transpose(1, 2);
        return mixed.reshape(q.size(0), q.size(2), q.size(1) * q.size(3));
    }

    /** [R, heads·H] → [B, heads, T, H], turned where there is a rotary. */
    public static Tensor heads(Tensor rows, long sequences, long headWidth, @Nullable Rotary rotary) {
        Tensor heads = rows.view(sequences, rows.size(0) / sequences, -1, headWidth);
        if (rotary == null) {
            return heads.transpose(1, 2);
        }
        long half = headWidth / 2;
        Tensor swapped = torch.cat(new TensorVector(heads.narrow(-1, half, half).neg(), heads.narrow(-1, 0, half)), -1);
        Tensor cosine = torch.cat(new TensorVector(rotary.cosine(), rotary.cosine()), -1);
        Tensor sine = torch.cat(new TensorVector(rotary.sine(), rotary.sine()), -1);
        return heads.mul(cosine).add(swapped.mul(sine)).transpose(1, 2);
    }

    /** [T, T], true above the diagonal. */
    public static Tensor causal(long tokens) {
        return torch.ones(tokens, tokens).triu(1).to(ScalarType.Bool);
    }

    /** Leaves of an autograd graph with these values in this dtype. */
    public static Tensor[] leaves(List<Tensor> values, ScalarType type) {
        return values.stream()
                .map(value -> {
                    Tensor leaf = value.detach().to(type).clone();
                    leaf.set_requires_grad(true);
                    return leaf;
                })
                .toArray(Tensor[]::new);
    }
}
