// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.llama;

import java.util.function.Function;
import org.bytedeco.pytorch.Tensor;
import org.chorale.model.layer.Adapters;
import org.chorale.model.layer.Attention;
import org.chorale.model.layer.KeyValues;
import org.chorale.model.layer.Linear;
import org.chorale.model.layer.Parameter;
import org.chorale.model.layer.RmsNorm;
import org.chorale.model.layer.SequenceContext;
import org.chorale.model.layer.SwiGlu;
import org.chorale.model.layer.Tape;
import org.chorale.tensor.TensorScope;

/**
 * One transformer block: h = x + attention(norm(x)), y = h + feedForward(norm(h)).
 *
 * <p>R rows (all tokens of all sequences), D model width.
 */
final class LlamaBlock {
    private final RmsNorm attentionNorm;
    private final Attention attention;
    private final RmsNorm innerNorm;
    private final SwiGlu feedForward;

    LlamaBlock(LlamaConfig config, String name, Function<String, Parameter> parameters, Adapters adapters) {
        this.attentionNorm = new RmsNorm(parameters.apply(name + ".input_layernorm.weight"), config.epsilon());
        this.attention = new Attention(
                linear(name + ".self_attn.q_proj", config.attentionBias(), parameters, adapters),
                linear(name + ".self_attn.k_proj", config.attentionBias(), parameters, adapters),
                linear(name + ".self_attn.v_proj", config.attentionBias(), parameters, adapters),
                linear(name + ".self_attn.o_proj", config.attentionBias(), parameters, adapters),
                config.headWidth());
        this.innerNorm = new RmsNorm(parameters.apply(name + ".post_attention_layernorm.weight"), config.epsilon());
        this.feedForward = new SwiGlu(
                linear(name + ".mlp.gate_proj", config.innerBias(), parameters, adapters),
                linear(name + ".mlp.up_proj", config.innerBias(), parameters, adapters),
                linear(name + ".mlp.down_proj", config.innerBias(), parameters, adapters));
    }

    /** Whether a backward has anything to do but hand the gradient on. */
    boolean trainable() {
        return attentionNorm.trainable() || attention.trainable() || innerNorm.trainable() || feedForward.trainable();
    }

    /** [R, D] → [R, D] */
    Tensor forward(Tensor x, SequenceContext context, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Tensor h = attention.forward(attentionNorm.forward(x, tape), context, tape);
            h.add_(x);
            Tensor y = feedForward.forward(innerNorm.forward(h, tape), context.dropout(), tape);
            y.add_(h);
            return scope.keep(y);
        }
    }

    /** [R, D] → [R, D] */
    Tensor backward(Tensor dy, SequenceContext context, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Tensor dh = innerNorm.backward(feedForward.backward(dy, context.dropout(), tape), tape);
            dh.add_(dy);
            Tensor dx = attentionNorm.backward(attention.backward(dh, context, tape), tape);
            dx.add_(dh);
            return scope.keep(dx);
        }
    }

    /** The next tokens of a sequence whose earlier ones are cached, without a backward: [t, D] → [t, D]. */
    Tensor extend(Tensor x, SequenceContext context, KeyValues cache) {
        try (TensorScope scope = new TensorScope();
                Tape dropped = new Tape()) {
            Tensor h = attention.extend(attentionNorm.forward(x, dropped), context, cache);
            h.add_(x);
            Tensor y = feedForward.forward(innerNorm.forward(h, dropped), context.dropout(), dropped);
            y.add_(h);
            return scope.keep(y);
        }
    }

    private static Linear linear(String name, boolean bias, Function<String, Parameter> parameters, Adapters adapters) {
        return new Linear(
                parameters.apply(name + ".weight"), bias ? parameters.apply(name + ".bias") : null, adapters.of(name));
    }
}
