// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.bytedeco.pytorch.AdamWOptions;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.decoder.AttentionConfig;
import org.chorale.model.decoder.DecoderConfig;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.training.MicroBatch;
import org.chorale.training.optimizer.OptimizerConfig;
import org.chorale.training.shard.ModelShard;

/**
 * The same Llama as a user of bare libtorch writes it: autograd, libtorch's own attention, cross entropy, clipping and
 * AdamW, in the way of Transformers' modelling code. The opponent of {@link StepBench}.
 *
 * <p>B batch, T tokens, N heads, K key-value heads, H head width, V vocabulary.
 */
final class AutogradLlama implements AutoCloseable {
    private final DecoderConfig config;
    private final AttentionConfig attention; // of every block
    private final OptimizerConfig settings;
    private final HeldTensors owner = new HeldTensors();
    private final Map<String, Tensor> parameters = new LinkedHashMap<>();
    private final TensorVector parameterVector;
    private final org.bytedeco.pytorch.AdamW optimizer;
    private final Tensor frequencies; // [H/2]

    /** Takes over a shard's weights as they are. */
    AutogradLlama(DecoderConfig config, OptimizerConfig settings, ModelShard shard) {
        this.config = config;
        this.attention = config.blocks().get(0).attention();
        this.settings = settings;
        try (TensorScope scope = new TensorScope()) {
            parameterVector = owner.hold(new TensorVector());
            shard.parameters().forEach((name, parameter) -> {
                Tensor leaf = owner.hold(parameter.value().detach().clone());
                leaf.set_requires_grad(true);
                parameters.put(name, leaf);
                parameterVector.push_back(leaf);
            });
            AdamWOptions options = new AdamWOptions(settings.learningRate());
            options.weight_decay().put(settings.weightDecay());
            optimizer = owner.hold(new org.bytedeco.pytorch.AdamW(parameterVector, options));
            double exponent = -2.0 / attention.headWidth();
            float[] values = new float[(int) attention.headWidth() / 2];
            for (int i = 0; i < values.length; i++) {
                values[i] = (float) Math.pow(attention.rope().theta(), exponent * i);
            }
            frequencies = owner.hold(Tensor.create(values));
        }
    }

    /** One step; the mean loss in nats. */
    double step(MicroBatch batch) {
        try (TensorScope scope = new TensorScope()) {
            optimizer.zero_grad();
            Tensor logits = logits(HostTensors.ofLongs(batch.tokens(), batch.sequences(), batch.width())); // [B, T, V]
            Tensor targets = HostTensors.ofLongs(batch.labels(), batch.sequences(), batch.width())
                    .narrow(1, 1, batch.width() - 1)
                    .reshape(-1);
            Tensor shifted = logits.narrow(1, 0, batch.width() - 1).reshape(-1, config.vocabulary());
            Tensor loss = torch.cross_entropy_loss(shifted, targets, new TensorOptional(), 1, -100, 0);
            loss.backward();
            torch.clip_grad_norm_(parameterVector, settings.clipNorm());
            optimizer.step();
            return loss.item_float();
        }
    }

    @Override
    public void close() {
        owner.close();
    }

    private Tensor logits(Tensor tokens) {
        Tensor angles = torch.arange(Scalars.of((double) tokens.size(1)))
                .to(ScalarType.Float)
                .unsqueeze(-1)
                .mul(frequencies); // [T, H/2]
        Tensor both = torch.cat(new TensorVector(angles, angles), -1); // [T, H]
        Tensor cosine = both.cos();
        Tensor sine = both.sin();
        Tensor x = torch.embedding(weight("model.embed_tokens"), tokens);
        for (int layer = 0; layer < config.layers(); layer++) {
            String block = "model.layers." + layer;
            x = x.add(attention(norm(x, block + ".input_layernorm"), block + ".self_attn", cosine, sine));
            x = x.add(feedForward(norm(x, block + ".post_attention_layernorm"), block + ".mlp"));
        }
        return torch.linear(norm(x, "model.norm"), weight(config.tied() ? "model.embed_tokens" : "lm_head"));
    }

    private Tensor attention(Tensor x, String name, Tensor cosine, Tensor sine) {
        Tensor q = turned(heads(torch.linear(x, weight(name + ".q_proj"))), cosine, sine); // [B, N, T, H]
        Tensor k = turned(heads(torch.linear(x, weight(name + ".k_proj"))), cosine, sine); // [B, K, T, H]
        Tensor v = heads(torch.linear(x, weight(name + ".v_proj")));
        Tensor mixed = torch.scaled_dot_product_attention(
                q, k, v, new TensorOptional(), 0.0, true, new DoubleOptional(), true);
        Tensor joined = mixed.transpose(1, 2).reshape(x.size(0), x.size(1), attention.queryWidth());
        return torch.linear(joined, weight(name + ".o_proj"));
    }

    private Tensor heads(Tensor x) {
        return x.view(x.size(0), x.size(1), -1, attention.headWidth()).transpose(1, 2);
    }

    private static Tensor turned(Tensor x, Tensor cosine, Tensor sine) {
        long half = x.size(-1) / 2;
        Tensor swapped = torch.cat(new TensorVector(x.narrow(-1, half, half).neg(), x.narrow(-1, 0, half)), -1);
        return x.mul(cosine).add(swapped.mul(sine));
    }

    private Tensor feedForward(Tensor x, String name) {
        Tensor gate = torch.silu(torch.linear(x, weight(name + ".gate_proj")));
        return torch.linear(gate.mul(torch.linear(x, weight(name + ".up_proj"))), weight(name + ".down_proj"));
    }

    private Tensor norm(Tensor x, String name) {
        Tensor meanSquare = x.square().mean(new long[] {-1}, true, new ScalarTypeOptional());
        return weight(name)
                .mul(x.mul(meanSquare.add(Scalars.of(config.norm().epsilon())).rsqrt()));
    }

    private Tensor weight(String module) {
        return Objects.requireNonNull(parameters.get(module + ".weight"), module);
    }
}
