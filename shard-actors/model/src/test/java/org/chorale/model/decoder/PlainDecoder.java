// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.decoder;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.decoder.FeedForwardConfig.Dense;
import org.chorale.model.decoder.FeedForwardConfig.Mixture;
import org.chorale.model.layer.Activation;
import org.chorale.model.layer.PlainFormulas;
import org.chorale.model.outline.LinearOutline;
import org.chorale.tensor.Scalars;
import org.jspecify.annotations.Nullable;

/** A decoder of libtorch's operators alone, differentiated by autograd: what the real one is held against. */
public final class PlainDecoder {
    private final DecoderConfig config;
    private final Map<String, Tensor> leaves; // by published name
    private final List<Tensor> probabilities = new ArrayList<>(); // [R, E] of each router

    public PlainDecoder(DecoderConfig config, Map<String, Tensor> leaves) {
        this.config = config;
        this.leaves = leaves;
    }

    /** Of each router in the forward passes so far, [R, E]. */
    List<Tensor> probabilities() {
        return probabilities;
    }

    /**
     * @param tokens [B·T]
     * @return logits [B·T, V]
     */
    public Tensor logits(Tensor tokens, long sequences) {
        Tensor x = torch.embedding(leaf(config.embeddingWeight()), tokens).mul(Scalars.of(config.embeddingScale()));
        for (BlockConfig block : config.blocks()) {
            Tensor attended = attention(block.attention(), norm(block.beforeAttention(), x), sequences);
            Tensor h = x.add(norm(block.afterAttention(), attended));
            Tensor read = norm(block.beforeInner(), block.parallel() ? x : h);
            x = h.add(norm(block.afterInner(), feedForward(block.inner(), read)));
        }
        String head = config.tied() ? config.embedding() : config.head();
        return capped(linear(norm(config.norm(), x), head), config.logitCap());
    }

    private Tensor attention(AttentionConfig attention, Tensor x, long sequences) {
        Tensor[] rows = attention.inputs().stream()
                .map(input -> linear(x, input.module()))
                .toArray(Tensor[]::new);
        Tensor[] qkv = rows.length == 3 ? rows : split(attention, rows[0]);
        Tensor q = turned(attention, heads(attention, normedHeads(attention.queryNorm(), qkv[0]), sequences));
        Tensor k = turned(attention, heads(attention, normedHeads(attention.keyNorm(), qkv[1]), sequences));
        Tensor v = heads(attention, qkv[2], sequences); // [B, heads, T, H]
        Tensor mixed = mixed(attention, q, ofEach(k, attention), ofEach(v, attention));
        return linear(
                mixed.transpose(1, 2).reshape(x.size(0), attention.queryWidth()),
                attention.output().module());
    }

    private static Tensor[] split(AttentionConfig attention, Tensor rows) {
        if (attention.interleaved()) {
            Tensor heads = rows.view(rows.size(0), attention.heads(), 3, attention.headWidth());
            return new Tensor[] {
                heads.select(2, 0).flatten(1, 2),
                heads.select(2, 1).flatten(1, 2),
                heads.select(2, 2).flatten(1, 2)
            };
        }
        return new Tensor[] {
            rows.narrow(1, 0, attention.queryWidth()),
            rows.narrow(1, attention.queryWidth(), attention.keyWidth()),
            rows.narrow(1, attention.queryWidth() + attention.keyWidth(), attention.keyWidth())
        };
    }

    private static Tensor heads(AttentionConfig attention, Tensor rows, long sequences) {
        return rows.reshape(sequences, rows.size(0) / sequences, -1, attention.headWidth())
                .transpose(1, 2);
    }

    private Tensor normedHeads(@Nullable NormConfig norm, Tensor rows) {
        return norm == null ? rows : norm(norm, rows.reshape(-1, norm.width())).view(rows.size(0), -1);
    }

    private static Tensor ofEach(Tensor x, AttentionConfig attention) {
        long shared = attention.heads() / attention.keyValueHeads();
        return x.repeat_interleave(shared, new LongOptional(1), new LongOptional());
    }

    /** [B, heads, T, H], of which the first components turn. */
    private static Tensor turned(AttentionConfig attention, Tensor heads) {
        RopeFrequencies rope = attention.rope();
        long half = rope.width() / 2;
        long tokens = heads.size(2);
        Tensor angles = torch.arange(Scalars.of((double) tokens))
                .to(ScalarType.Float)
                .unsqueeze(-1)
                .mul(rope.compute(rope.stretchedFor(tokens))); // [T, W/2]
        Tensor cosine = angles.cos().mul(Scalars.of(rope.attentionFactor())).to(heads.scalar_type());
        Tensor sine = angles.sin().mul(Scalars.of(rope.attentionFactor())).to(heads.scalar_type());
        Tensor a = heads.narrow(-1, 0, half);
        Tensor b = heads.narrow(-1, half, half);
        Tensor rest = heads.narrow(-1, rope.width(), attention.headWidth() - rope.width());
        return torch.cat(
                new TensorVector(a.mul(cosine).sub(b.mul(sine)), b.mul(cosine).add(a.mul(sine)), rest), -1);
    }

    /** The formula over all keys, of which masks leave those that are seen. */
    private static Tensor mixed(AttentionConfig attention, Tensor q, Tensor k, Tensor v) {
        Double scale = attention.scores().scale();
        double factor = scale == null ? 1 / Math.sqrt((double) attention.headWidth()) : scale;
        Tensor scores = capped(
                q.matmul(k.transpose(-2, -1)).mul(Scalars.of(factor)),
                attention.scores().cap());
        Tensor hidden = PlainFormulas.causal(q.size(2));
        if (attention.window() != null) {
            Tensor far = torch.ones(q.size(2), q.size(2)).tril(-attention.window());
            hidden = hidden.logical_or(far.to(ScalarType.Bool));
        }
        Tensor wide = scores.scalar_type().intern() == ScalarType.Double ? scores : scores.to(ScalarType.Float);
        return torch.softmax(wide.masked_fill(hidden, Scalars.of(-1e30)), -1)
                .to(v.scalar_type())
                .matmul(v);
    }

    private Tensor feedForward(FeedForwardConfig inner, Tensor x) {
        return inner instanceof Mixture mixture ? mixture(mixture, x) : dense((Dense) inner, x);
    }

    /** Every expert works on every row, and counts for nothing where it was not chosen. */
    private Tensor mixture(Mixture mixture, Tensor x) {
        Tensor ofRouter = torch.softmax(linear(x, mixture.router().module()), 1);
        probabilities.add(ofRouter);
        Tensor chosen = torch.topk(ofRouter, mixture.chosen(), 1, true, true).get1();
        Tensor weights = ofRouter.mul(torch.zeros_like(ofRouter).scatter_(1, chosen, Scalars.of(1)));
        Tensor shares = mixture.normalised()
                ? weights.div(weights.sum(new long[] {1}, true, new ScalarTypeOptional()))
                : weights;
        Tensor y = torch.zeros_like(x);
        for (int i = 0; i < mixture.experts().size(); i++) {
            y = y.add(dense(mixture.experts().get(i), x).mul(shares.narrow(1, i, 1)));
        }
        return y;
    }

    private Tensor dense(Dense inner, Tensor x) {
        Tensor[] read = inner.inputs().stream()
                .map(LinearOutline::module)
                .map(module -> linear(x, module))
                .toArray(Tensor[]::new);
        Tensor gate = read.length == 2 || !inner.gated() ? read[0] : read[0].narrow(1, 0, inner.innerWidth());
        Tensor activated = activated(inner.activation(), gate);
        if (inner.gated()) {
            Tensor up = read.length == 2 ? read[1] : read[0].narrow(1, inner.innerWidth(), inner.innerWidth());
            activated = activated.mul(up);
        }
        return linear(activated, inner.down().module());
    }

    private static Tensor activated(Activation activation, Tensor x) {
        return switch (activation) {
            case SILU -> x.mul(x.sigmoid());
            case GELU ->
                x.mul(Scalars.of(0.5))
                        .mul(x.mul(Scalars.of(Math.sqrt(0.5))).erf().add(Scalars.of(1)));
            case GELU_TANH -> {
                Tensor cubic = x.mul(x).mul(x).mul(Scalars.of(0.044715));
                Tensor inner = x.add(cubic).mul(Scalars.of(Math.sqrt(2 / Math.PI)));
                yield x.mul(Scalars.of(0.5)).mul(inner.tanh().add(Scalars.of(1)));
            }
        };
    }

    private static Tensor capped(Tensor x, double cap) {
        return cap == 0 ? x : x.div(Scalars.of(cap)).tanh().mul(Scalars.of(cap));
    }

    /** With what an adapter of scale 2 adds, where there is one; with trained lengths as the DoRA paper writes it. */
    private Tensor linear(Tensor x, String module) {
        Tensor weight = leaf(module + ".weight");
        Tensor bias = leaves.get(module + ".bias");
        Tensor down = leaves.get(module + ".lora_A.weight");
        if (down == null) {
            return PlainFormulas.linear(x, weight, bias);
        }
        Tensor sum = weight.add(leaf(module + ".lora_B.weight").mm(down).mul(Scalars.of(2)));
        Tensor lengths = leaves.get(module + ".lora_magnitude_vector.weight");
        if (lengths == null) {
            return PlainFormulas.linear(x, sum, bias);
        }
        Tensor constant = sum.detach().square().sum(1).sqrt();
        return PlainFormulas.linear(x, sum.mul(lengths.div(constant).unsqueeze(1)), bias);
    }

    private Tensor norm(@Nullable NormConfig norm, Tensor x) {
        if (norm == null) {
            return x;
        }
        Tensor weight = leaf(norm.weight());
        return switch (norm.kind()) {
            case RMS -> PlainFormulas.rmsNorm(x, weight, norm.epsilon());
            case RMS_FROM_ONE -> PlainFormulas.rmsNorm(x, weight.add(Scalars.of(1)), norm.epsilon());
            case LAYER -> {
                Tensor centred = x.sub(x.mean(new long[] {-1}, true, new ScalarTypeOptional()));
                yield PlainFormulas.rmsNorm(centred, weight, norm.epsilon()).add(leaf(norm.bias()));
            }
        };
    }

    private Tensor leaf(String name) {
        Tensor leaf = leaves.get(name);
        if (leaf == null) {
            throw new IllegalStateException("no leaf " + name);
        }
        return leaf;
    }
}
