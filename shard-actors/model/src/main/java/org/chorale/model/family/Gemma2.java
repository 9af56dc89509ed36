// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.family;

import java.util.List;
import org.chorale.model.decoder.AttentionConfig;
import org.chorale.model.decoder.BlockConfig;
import org.chorale.model.decoder.DecoderConfig;
import org.chorale.model.decoder.FeedForwardConfig;
import org.chorale.model.decoder.NormConfig;
import org.chorale.model.decoder.RopeFrequencies;
import org.chorale.model.layer.Activation;
import org.chorale.model.layer.Scores;
import org.chorale.model.outline.ConfigJson;
import org.jspecify.annotations.Nullable;

/**
 * Gemma 2 (arXiv 2408.00118): norms before and after each part, with weights that are added to 1; embeddings times √D;
 * capped scores and logits; every other layer slides.
 */
final class Gemma2 implements Family {
    @Override
    public DecoderConfig read(ConfigJson json) {
        Sizes sizes = Sizes.read(json, 256, 8192);
        RopeFrequencies rope = RopeKeys.read(json, sizes.headWidth(), 10_000, 1);
        List<@Nullable Long> windows =
                Keys.windows(json, sizes.layers(), Keys.window(json, 4096), layer -> layer % 2 == 0);
        Activation activation = Keys.activation(json, "hidden_activation", "gelu_pytorch_tanh");
        Scores scores = scores(json, 50);
        boolean bias = json.flag("attention_bias", false);
        refuse(json);
        Parts parts = new Parts(json, sizes, NormConfig.Kind.RMS_FROM_ONE, json.positive("rms_norm_eps", 1e-6));
        return parts.decoder(
                "gemma2",
                layer -> {
                    String block = Parts.BLOCKS + layer;
                    AttentionConfig attention = parts.attention(
                            parts.projections(block, bias),
                            parts.output(block, bias),
                            null,
                            null,
                            rope,
                            windows.get(layer),
                            scores);
                    return block(parts, block, attention, parts.feedForward(block, activation, false));
                },
                Math.sqrt((double) sizes.width()),
                true,
                cap(json, "final_logit_softcapping", 30));
    }

    static BlockConfig block(Parts parts, String block, AttentionConfig attention, FeedForwardConfig inner) {
        return new BlockConfig(
                block,
                parts.norm(block + ".input_layernorm"),
                attention,
                parts.norm(block + ".post_attention_layernorm"),
                parts.norm(block + ".pre_feedforward_layernorm"),
                inner,
                parts.norm(block + ".post_feedforward_layernorm"),
                false);
    }

    static Scores scores(ConfigJson json, double cap) {
        double scale = 1 / Math.sqrt(json.positive("query_pre_attn_scalar", 256));
        return new Scores(scale, cap(json, "attn_logit_softcapping", cap));
    }

    /** @param otherwise where the key is left out, which is not null: that is 0, for none */
    static double cap(ConfigJson json, String key, double otherwise) {
        if (json.root().has(key) && !json.has(key)) {
            return 0;
        }
        return otherwise == 0 && !json.has(key) ? 0 : json.positive(key, otherwise);
    }

    static void refuse(ConfigJson json) {
        Keys.refuseDropout(json, "attention_dropout");
        if (json.flag("use_bidirectional_attention", false)) {
            json.unsupported("use_bidirectional_attention = true: only causal attention is supported");
        }
    }
}
