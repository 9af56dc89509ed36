// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.family;

import org.chorale.model.decoder.AttentionConfig;
import org.chorale.model.decoder.BlockConfig;
import org.chorale.model.decoder.DecoderConfig;
import org.chorale.model.decoder.NormConfig;
import org.chorale.model.decoder.RopeFrequencies;
import org.chorale.model.layer.Activation;
import org.chorale.model.layer.Scores;
import org.chorale.model.outline.ConfigJson;

/** OLMo 2 (arXiv 2501.00656): norms behind each part instead of before it, and over all query and all key heads. */
final class Olmo2 implements Family {
    @Override
    public DecoderConfig read(ConfigJson json) {
        Sizes sizes = Sizes.read(json, 0, 2048);
        RopeFrequencies rope = RopeKeys.read(json, sizes.headWidth(), 10_000, 1);
        Activation activation = Keys.activation(json, "hidden_act", "silu");
        boolean bias = json.flag("attention_bias", false);
        Keys.refuseDropout(json, "attention_dropout");
        Parts parts = new Parts(json, sizes, NormConfig.Kind.RMS, json.positive("rms_norm_eps", 1e-5));
        return parts.decoder("olmo2", layer -> {
            String block = Parts.BLOCKS + layer;
            AttentionConfig attention = parts.attention(
                    parts.projections(block, bias),
                    parts.output(block, bias),
                    parts.headNorm(block + ".self_attn.q_norm", sizes.queryWidth()),
                    parts.headNorm(block + ".self_attn.k_norm", sizes.keyWidth()),
                    rope,
                    null,
                    Scores.PLAIN);
            return new BlockConfig(
                    block,
                    null,
                    attention,
                    parts.norm(block + ".post_attention_layernorm"),
                    null,
                    parts.feedForward(block, activation, false),
                    parts.norm(block + ".post_feedforward_layernorm"),
                    false);
        });
    }
}
