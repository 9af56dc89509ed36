// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.family;

import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.chorale.model.decoder.AttentionConfig;
import org.chorale.model.decoder.BlockConfig;
import org.chorale.model.decoder.DecoderConfig;
import org.chorale.model.decoder.FeedForwardConfig;
import org.chorale.model.decoder.NormConfig;
import org.chorale.model.decoder.RopeFrequencies;
import org.chorale.model.layer.Activation;
import org.chorale.model.layer.Scores;
import org.chorale.model.outline.ConfigJson;
import org.chorale.model.outline.LinearOutline;
import org.jspecify.annotations.Nullable;

/**
 * The parts of a model by the names under which Llama published them, as most families do.
 *
 * @param kind of all norms
 */
record Parts(ConfigJson json, Sizes sizes, NormConfig.Kind kind, double epsilon) {
    static final String BLOCKS = "model.layers.";

    /** A norm of the model's width. */
    NormConfig norm(String module) {
        return new NormConfig(module, sizes.width(), kind, epsilon);
    }

    /** A norm of each query or key head by itself, or of more together. */
    NormConfig headNorm(String module, long width) {
        return new NormConfig(module, width, kind, epsilon);
    }

    LinearOutline linear(String module, long inputs, long outputs, boolean bias) {
        return new LinearOutline(module, inputs, outputs, bias, false);
    }

    /** {@code q_proj, k_proj, v_proj} */
    List<LinearOutline> projections(String block, boolean bias) {
        return List.of(
                linear(block + ".self_attn.q_proj", sizes.width(), sizes.queryWidth(), bias),
                linear(block + ".self_attn.k_proj", sizes.width(), sizes.keyWidth(), bias),
                linear(block + ".self_attn.v_proj", sizes.width(), sizes.keyWidth(), bias));
    }

    /** {@code o_proj} */
    LinearOutline output(String block, boolean bias) {
        return linear(block + ".self_attn.o_proj", sizes.queryWidth(), sizes.width(), bias);
    }

    /** Attention that normalises no head. */
    AttentionConfig attention(
            List<LinearOutline> inputs, LinearOutline output, RopeFrequencies rope, @Nullable Long window) {
        return attention(inputs, output, null, null, rope, window, Scores.PLAIN);
    }

    AttentionConfig attention(
            List<LinearOutline> inputs,
            LinearOutline output,
            @Nullable NormConfig queryNorm,
            @Nullable NormConfig keyNorm,
            RopeFrequencies rope,
            @Nullable Long window,
            Scores scores) {
        return new AttentionConfig(
                inputs,
                false,
                output,
                sizes.heads(),
                sizes.keyValueHeads(),
                sizes.headWidth(),
                queryNorm,
                keyNorm,
                rope,
                window,
                scores);
    }

    /** {@code gate_proj, up_proj, down_proj} */
    FeedForwardConfig feedForward(String block, Activation activation, boolean bias) {
        String network = block + ".mlp";
        return gated(
                linear(network + ".gate_proj", sizes.width(), sizes.innerWidth(), bias),
                linear(network + ".up_proj", sizes.width(), sizes.innerWidth(), bias),
                activation,
                linear(network + ".down_proj", sizes.innerWidth(), sizes.width(), bias));
    }

    static FeedForwardConfig.Dense gated(
            LinearOutline gate, LinearOutline up, Activation activation, LinearOutline down) {
        return new FeedForwardConfig.Dense(List.of(gate, up), true, activation, down, down.inputs());
    }

    /** A block with a norm before each of its parts: {@code input_layernorm, post_attention_layernorm}. */
    BlockConfig block(String name, AttentionConfig attention, FeedForwardConfig inner) {
        return new BlockConfig(
                name,
                norm(name + ".input_layernorm"),
                attention,
                null,
                norm(name + ".post_attention_layernorm"),
                inner,
                null,
                false);
    }

    /** The whole, with a head of its own unless the configuration says otherwise, and plain embeddings and logits. */
    DecoderConfig decoder(String family, IntFunction<BlockConfig> block) {
        return decoder(family, block, 1, false, 0);
    }

    DecoderConfig decoder(
            String family, IntFunction<BlockConfig> block, double embeddingScale, boolean tied, double logitCap) {
        return new DecoderConfig(
                family,
                sizes.vocabulary(),
                sizes.width(),
                sizes.contextTokens(),
                "model.embed_tokens",
                embeddingScale,
                IntStream.range(0, sizes.layers()).mapToObj(block).toList(),
                norm("model.norm"),
                "lm_head",
                json.flag("tie_word_embeddings", tied),
                logitCap,
                json.positive("initializer_range", 0.02));
    }
}
