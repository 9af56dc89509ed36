// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.decoder;

import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.layer.PlainFormulas;
import org.chorale.model.layer.Rotary;
import org.chorale.tensor.Scalars;

/** A Llama of libtorch's operators alone, differentiated by autograd: what the real one is held against. */
public final class PlainLlama {
    private final DecoderConfig config;
    private final AttentionConfig attention; // of every block
    private final Map<String, Tensor> leaves; // by published name

    public PlainLlama(DecoderConfig config, Map<String, Tensor> leaves) {
        this.config = config;
        this.attention = config.blocks().get(0).attention();
        this.leaves = leaves;
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
            x = h.add(feedForward(block + ".mlp", norm(h, block + ".post_attention_layernorm")));
        }
        return linear(norm(x, "model.norm"), "lm_head");
    }

    private Tensor attention(String module, Tensor x, long sequences, Rotary rotary) {
        Tensor q = PlainFormulas.heads(linear(x, module + ".q_proj"), sequences, attention.headWidth(), rotary);
        Tensor k = PlainFormulas.heads(linear(x, module + ".k_proj"), sequences, attention.headWidth(), rotary);
        Tensor v = PlainFormulas.heads(linear(x, module + ".v_proj"), sequences, attention.headWidth(), null);
        Tensor mixed = PlainFormulas.attention(q, k, v, PlainFormulas.causal(x.size(0) / sequences));
        return linear(mixed.reshape(x.size(0), mixed.size(2)), module + ".o_proj");
    }

    private Tensor feedForward(String module, Tensor x) {
        Tensor inner = PlainFormulas.gated(linear(x, module + ".gate_proj"), linear(x, module + ".up_proj"));
        return linear(inner, module + ".down_proj");
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
