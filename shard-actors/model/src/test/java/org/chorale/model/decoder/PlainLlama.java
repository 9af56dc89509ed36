// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.decoder;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.decoder.FeedForwardConfig.Dense;
import org.chorale.model.decoder.FeedForwardConfig.Mixture;
import org.chorale.model.layer.PlainFormulas;
import org.chorale.model.layer.Rotary;
import org.chorale.tensor.Scalars;

/** A Llama of libtorch's operators alone, differentiated by autograd: what the real one is held against. */
public final class PlainLlama {
    private final DecoderConfig config;
    private final AttentionConfig attention; // of every block
    private final Map<String, Tensor> leaves; // by published name
    private final List<Tensor> probabilities = new ArrayList<>(); // [R, E] of each router

    public PlainLlama(DecoderConfig config, Map<String, Tensor> leaves) {
        this.config = config;
        this.attention = config.blocks().get(0).attention();
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
        long width = tokens.size(0) / sequences;
        Tensor x = torch.embedding(leaf("model.embed_tokens.weight"), tokens);
        Rotary rotary = rotary(width, x.scalar_type().intern());
        for (int layer = 0; layer < config.layers(); layer++) {
            String block = "model.layers." + layer;
            Tensor h = x.add(attention(block + ".self_attn", norm(x, block + ".input_layernorm"), sequences, rotary));
            Tensor rows = norm(h, block + ".post_attention_layernorm");
            x = h.add(
                    config.blocks().get(layer).inner() instanceof Mixture mixture
                            ? mixture(mixture, rows)
                            : feedForward(block + ".mlp", rows));
        }
        return linear(norm(x, "model.norm"), "lm_head");
    }

    private Tensor attention(String module, Tensor x, long sequences, Rotary rotary) {
        Tensor q = PlainFormulas.heads(heads(x, module + ".q"), sequences, attention.headWidth(), rotary);
        Tensor k = PlainFormulas.heads(heads(x, module + ".k"), sequences, attention.headWidth(), rotary);
        Tensor v = PlainFormulas.heads(linear(x, module + ".v_proj"), sequences, attention.headWidth(), null);
        Tensor mixed = PlainFormulas.attention(q, k, v, PlainFormulas.causal(x.size(0) / sequences));
        return linear(mixed.reshape(x.size(0), mixed.size(2)), module + ".o_proj");
    }

    /** Queries or keys, each head normalised where there is a norm. */
    private Tensor heads(Tensor x, String part) {
        Tensor rows = linear(x, part + "_proj");
        return leaves.containsKey(part + "_norm.weight")
                ? norm(rows.view(x.size(0), -1, attention.headWidth()), part + "_norm")
                        .view(x.size(0), -1)
                : rows;
    }

    /** Every expert works on every row, and counts for nothing where it was not chosen. */
    private Tensor mixture(Mixture mixture, Tensor x) {
        Tensor probabilities = torch.softmax(linear(x, mixture.router().module()), 1);
        this.probabilities.add(probabilities);
        Tensor chosen =
                torch.topk(probabilities, mixture.chosen(), 1, true, true).get1();
        Tensor weights = probabilities.mul(torch.zeros_like(probabilities).scatter_(1, chosen, Scalars.of(1)));
        Tensor shares = mixture.normalised()
                ? weights.div(weights.sum(new long[] {1}, true, new ScalarTypeOptional()))
                : weights;
        Tensor y = torch.zeros_like(x);
        for (int i = 0; i < mixture.experts().size(); i++) {
            Dense expert = mixture.experts().get(i);
            Tensor inner = PlainFormulas.gated(
                    linear(x, expert.inputs().get(0).module()),
                    linear(x, expert.inputs().get(1).module()));
            y = y.add(linear(inner, expert.down().module()).mul(shares.narrow(1, i, 1)));
        }
        return y;
    }

    private Tensor feedForward(String module, Tensor x) {
        Tensor inner = PlainFormulas.gated(linear(x, module + ".gate_proj"), linear(x, module + ".up_proj"));
        return linear(inner, module + ".down_proj");
    }

    /** With what an adapter of scale 2 adds, where there is one. */
    private Tensor linear(Tensor x, String module) {
        Tensor y = PlainFormulas.linear(x, leaf(module + ".weight"), leaves.get(module + ".bias"));
        Tensor down = leaves.get(module + ".lora_A.weight");
        if (down == null) {
            return y;
        }
        return y.add(x.mm(down.t()).mm(leaf(module + ".lora_B.weight").t()).mul(Scalars.of(2)));
    }

    private Tensor norm(Tensor x, String module) {
        return PlainFormulas.rmsNorm(x, leaf(module + ".weight"), config.norm().epsilon());
    }

    private Rotary rotary(long tokens, ScalarType type) {
        Tensor angles = torch.arange(Scalars.of((double) tokens))
                .to(ScalarType.Float)
                .unsqueeze(-1)
                .mul(attention.rope().compute(0))
                .unsqueeze(1);
        return new Rotary(angles.cos().to(type), angles.sin().to(type));
    }

    private Tensor leaf(String name) {
        Tensor leaf = leaves.get(name);
        if (leaf == null) {
            throw new IllegalStateException("no leaf " + name);
        }
        return leaf;
    }
}
