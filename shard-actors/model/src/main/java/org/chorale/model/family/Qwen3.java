// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.family;

import java.util.List;
import org.chorale.model.decoder.AttentionConfig;
import org.chorale.model.decoder.DecoderConfig;
import org.chorale.model.decoder.NormConfig;
import org.chorale.model.decoder.RopeFrequencies;
import org.chorale.model.layer.Activation;
import org.chorale.model.layer.Scores;
import org.chorale.model.outline.ConfigJson;
import org.jspecify.annotations.Nullable;

/** Qwen 3 (arXiv 2505.09388): each query and key head is normalised. */
final class Qwen3 implements Family {
    @Override
    public DecoderConfig read(ConfigJson json) {
        Sizes sizes = Sizes.read(json, 128, 32_768);
        RopeFrequencies rope = RopeKeys.read(json, sizes.headWidth(), 10_000, 1);
        Activation activation = Keys.activation(json, "hidden_act", "silu");
        boolean bias = json.flag("attention_bias", false);
        List<@Nullable Long> windows = Qwen2.windows(json, sizes.layers());
        Keys.refuseDropout(json, "attention_dropout");
        Parts parts = new Parts(json, sizes, NormConfig.Kind.RMS, json.positive("rms_norm_eps", 1e-6));
        return parts.decoder("qwen3", layer -> {
            String block = Parts.BLOCKS + layer;
            return parts.block(
                    block,
                    attention(parts, block, bias, rope, windows.get(layer)),
                    parts.feedForward(block, activation, false));
        });
    }

    static AttentionConfig attention(
            Parts parts, String block, boolean bias, RopeFrequencies rope, @Nullable Long window) {
        long width = parts.sizes().headWidth();
        return parts.attention(
                parts.projections(block, bias),
                parts.output(block, bias),
                parts.headNorm(block + ".self_attn.q_norm", width),
                parts.headNorm(block + ".self_attn.k_norm", width),
                rope,
                window,
                Scores.PLAIN);
    }
}
