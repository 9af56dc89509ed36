// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.decoder;

import java.util.function.Function;
import org.bytedeco.pytorch.Tensor;
import org.chorale.model.kernel.RmsNormKernel.Normed;
import org.chorale.model.layer.Adapters;
import org.chorale.model.layer.Attention;
import org.chorale.model.layer.Fp8Linears;
import org.chorale.model.layer.KeyValues;
import org.chorale.model.layer.Linear;
import org.chorale.model.layer.Parameter;
import org.chorale.model.layer.Recompute;
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
final class DecoderBlock {
    private final RmsNorm attentionNorm;
    private final Attention attention;
    private final RmsNorm innerNorm;
    private final SwiGlu feedForward;

    DecoderBlock(
            DecoderConfig config,
            String name,
            Function<String, Parameter> parameters,
            Adapters adapters,
            Fp8Linears fp8) {
        this.attentionNorm = new RmsNorm(parameters.apply(name + ".input_layernorm.weight"), config.epsilon());
        this.attention = new Attention(
                linear(name + ".self_attn.q_proj", config.attentionBias(), parameters, adapters, fp8),
                linear(name + ".self_attn.k_proj", config.attentionBias(), parameters, adapters, fp8),
                linear(name + ".self_attn.v_proj", config.attentionBias(), parameters, adapters, fp8),
                linear(name + ".self_attn.o_proj", config.attentionBias(), parameters, adapters, fp8),
                config.headWidth());
        this.innerNorm = new RmsNorm(parameters.apply(name + ".post_attention_layernorm.weight"), config.epsilon());
        this.feedForward = new SwiGlu(
                linear(name + ".mlp.gate_proj", config.innerBias(), parameters, adapters, fp8),
                linear(name + ".mlp.up_proj", config.innerBias(), parameters, adapters, fp8),
                linear(name + ".mlp.down_proj", config.innerBias(), parameters, adapters, fp8));
    }

    /** Whether a backward has anything to do but hand the gradient on. */
    boolean trainable() {
        return attentionNorm.trainable() || attention.trainable() || innerNorm.trainable() || feedForward.trainable();
    }

    /** Columns of what a forward saves for adapters where it keeps everything. */
    long savedForAdapters() {
        return attention.savedForAdapters() + feedForward.savedForAdapters();
    }

    /** [R, D] → [R, D]; saves x, and as much of what its backward reads as is not to be recomputed. */
    Tensor forward(Tensor x, SequenceContext context, Recompute recompute, Tape tape) {
        try (Tape dropped = new Tape()) {
            Tape attended = recompute == Recompute.FULL ? dropped : tape;
            Tensor y = forward(x, context, attended, recompute == Recompute.NONE ? tape : dropped);
            tape.push(x);
            return y;
        }
    }

    /** [R, D] → [R, D], where no backward follows. */
    Tensor forwardAlone(Tensor x, SequenceContext context) {
        try (Tape dropped = new Tape()) {
            return forward(x, context, dropped, dropped);
        }
    }

    /**
     * What the norms give is computed again in the backward, whatever is kept.
     *
     * @param attended gets what attention gives
     * @param tape gets everything else: h and the scales of the rows of x and h, above what attention and feed-forward
     *     save
     */
    private Tensor forward(Tensor x, SequenceContext context, Tape attended, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Normed normedX = attentionNorm.normalise(x);
            Tensor h = attention.forward(normedX.rows(), context, attended, tape);
            Normed normedH = innerNorm.addAndNormalise(h, x);
            Tensor y = feedForward.forward(normedH.rows(), context.dropout(), tape);
            y.add_(h);
            tape.push(normedX.scale(), h, normedH.scale());
            return scope.keep(y);
        }
    }

    /**
     * Saves once more what a forward saved that keeps everything. What only its result needs is not computed.
     *
     * @param kept what a forward of x has kept
     */
    private void again(Tensor x, SequenceContext context, Recompute recompute, Tape kept, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Normed normedX = attentionNorm.normalise(x);
            Tensor h = recompute == Recompute.FULL
                    ? attention.forward(normedX.rows(), context, tape)
                    : attention.again(normedX.rows(), context, kept, tape);
            Normed normedH = innerNorm.addAndNormalise(h, x);
            feedForward.again(normedH.rows(), context.dropout(), tape);
            tape.push(normedX.scale(), h, normedH.scale());
        }
    }

    /**
     * [R, D] → [R, D]
     *
     * @param recompute as in the forward
     */
    Tensor backward(Tensor dy, SequenceContext context, Recompute recompute, Tape tape) {
        try (TensorScope scope = new TensorScope();
                Tape whole = new Tape()) {
            Tensor x = tape.pop();
            if (recompute == Recompute.NONE) {
                return scope.keep(backward(dy, x, context, tape));
            }
            again(x, context, recompute, tape, whole);
            return scope.keep(backward(dy, x, context, whole));
        }
    }

    private Tensor backward(Tensor dy, Tensor x, SequenceContext context, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Tensor scaleOfH = tape.pop();
            Tensor h = tape.pop();
            Tensor scaleOfX = tape.pop();
            Tensor dh = throughFeedForward(dy, h, scaleOfH, context, tape);
            return scope.keep(throughAttention(dh, x, scaleOfX, context, tape));
        }
    }

    /** The gradient of h, of which y is the sum with what the feed-forward makes of it. */
    private Tensor throughFeedForward(Tensor dy, Tensor h, Tensor scale, SequenceContext context, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Tensor dNormed = feedForward.backward(dy, innerNorm.again(h, scale), context.dropout(), tape);
            return scope.keep(innerNorm.backward(dNormed, h, scale, dy));
        }
    }

    /** The gradient of x, of which h is the sum with what attention makes of it. */
    private Tensor throughAttention(Tensor dh, Tensor x, Tensor scale, SequenceContext context, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Tensor dNormed = attention.backward(dh, attentionNorm.again(x, scale), context, tape);
            return scope.keep(attentionNorm.backward(dNormed, x, scale, dh));
        }
    }

    /** The next tokens of a sequence whose earlier ones are cached, without a backward: [t, D] → [t, D]. */
    Tensor extend(Tensor x, SequenceContext context, KeyValues cache) {
        try (TensorScope scope = new TensorScope();
                Tape dropped = new Tape()) {
            Tensor h = attention.extend(attentionNorm.normalise(x).rows(), context, cache);
            Normed normedH = innerNorm.addAndNormalise(h, x);
            Tensor y = feedForward.forward(normedH.rows(), context.dropout(), dropped);
            y.add_(h);
            return scope.keep(y);
        }
    }

    private static Linear linear(
            String name, boolean bias, Function<String, Parameter> parameters, Adapters adapters, Fp8Linears fp8) {
        return new Linear(
                parameters.apply(name + ".weight"),
                bias ? parameters.apply(name + ".bias") : null,
                adapters.of(name),
                fp8.of(name));
    }
}
