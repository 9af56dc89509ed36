// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.family;

import java.util.List;
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

/**
 * GPT-NeoX (Black et al. 2022, arXiv 2204.06745) and Pythia: norms with mean and bias, one linear for queries, keys and
 * values, a part of each head turned, and both parts of a block beside each other unless the configuration says otherwise.
 */
final class GptNeox implements Family {
    @Override
    public DecoderConfig read(ConfigJson json) {
        Sizes sizes = Sizes.read(json, 0, 2048);
        if (sizes.keyValueHeads() != sizes.heads() || sizes.queryWidth() != sizes.width()) {
            json.problem("num_key_value_heads, head_dim: this family has neither");
        }
        Keys.refuseDropout(json, "attention_dropout", "hidden_dropout");
        Parts parts = new Parts(json, sizes, NormConfig.Kind.LAYER, json.positive("layer_norm_eps", 1e-5));
        boolean bias = json.flag("attention_bias", true);
        boolean parallel = json.flag("use_parallel_residual", true);
        Activation activation = Keys.activation(json, "hidden_act", "gelu");
        RopeFrequencies rope = RopeKeys.read(
                json, sizes.headWidth(), json.positive("rotary_emb_base", 10_000), json.positive("rotary_pct", 0.25));
        return new DecoderConfig(
                "gpt_neox",
                sizes.vocabulary(),
                sizes.width(),
                sizes.contextTokens(),
                "gpt_neox.embed_in",
                1,
                IntStream.range(0, sizes.layers())
                        .mapToObj(layer -> "gpt_neox.layers." + layer)
                        .map(block -> new BlockConfig(
                                block,
                                parts.norm(block + ".input_layernorm"),
                                attention(parts, block, bias, rope),
                                null,
                                parts.norm(block + ".post_attention_layernorm"),
                                feedForward(parts, block, activation),
                                null,
                                parallel))
                        .toList(),
                parts.norm("gpt_neox.final_layer_norm"),
                "embed_out",
                json.flag("tie_word_embeddings", false),
                0,
                json.positive("initializer_range", 0.02));
    }

    private static AttentionConfig attention(Parts parts, String block, boolean bias, RopeFrequencies rope) {
        Sizes sizes = parts.sizes();
        String module = block + ".attention.";
        return new AttentionConfig(
                List.of(parts.linear(module + "query_key_value", sizes.width(), 3 * sizes.width(), bias)),
                true,
                parts.linear(module + "dense", sizes.width(), sizes.width(), bias),
                sizes.heads(),
                sizes.heads(),
                sizes.headWidth(),
                null,
                null,
                rope,
                null,
                Scores.PLAIN);
    }

    private static FeedForwardConfig feedForward(Parts parts, String block, Activation activation) {
        Sizes sizes = parts.sizes();
        return new FeedForwardConfig.Dense(
                List.of(parts.linear(block + ".mlp.dense_h_to_4h", sizes.width(), sizes.innerWidth(), true)),
                false,
                activation,
                parts.linear(block + ".mlp.dense_4h_to_h", sizes.innerWidth(), sizes.width(), true),
                sizes.innerWidth());
    }
}
