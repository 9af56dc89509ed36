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

/**
 * The text model of Gemma 3 (arXiv 2503.19786): as {@link Gemma2}, but each query and key head is normalised, and layers
 * that slide turn heads by another base.
 */
final class Gemma3 implements Family {
    private static final long EVERY_SIXTH = 6;

    @Override
    public DecoderConfig read(ConfigJson json) {
        Sizes sizes = Sizes.read(json, 256, 131_072);
        RopeFrequencies whole = rope(json, "full_attention", sizes.headWidth());
        RopeFrequencies sliding = rope(json, "sliding_attention", sizes.headWidth());
        List<@Nullable Long> windows = windows(json, sizes.layers());
        Activation activation = Keys.activation(json, "hidden_activation", "gelu_pytorch_tanh");
        Scores scores = Gemma2.scores(json, 0);
        boolean bias = json.flag("attention_bias", false);
        Gemma2.refuse(json);
        Parts parts = new Parts(json, sizes, NormConfig.Kind.RMS_FROM_ONE, json.positive("rms_norm_eps", 1e-6));
        return parts.decoder(
                "gemma3_text",
                layer -> {
                    String block = Parts.BLOCKS + layer;
                    Long window = windows.get(layer);
                    AttentionConfig attention = parts.attention(
                            parts.projections(block, bias),
                            parts.output(block, bias),
                            parts.headNorm(block + ".self_attn.q_norm", sizes.headWidth()),
                            parts.headNorm(block + ".self_attn.k_norm", sizes.headWidth()),
                            window == null ? whole : sliding,
                            window,
                            scores);
                    return Gemma2.block(parts, block, attention, parts.feedForward(block, activation, false));
                },
                Math.sqrt((double) sizes.width()),
                true,
                Gemma2.cap(json, "final_logit_softcapping", 0));
    }

    private static List<@Nullable Long> windows(ConfigJson json, int layers) {
        long pattern = json.count(
                "sliding_window_pattern",
                Sizes.MAX_WIDTH,
                json.count("_sliding_window_pattern", Sizes.MAX_WIDTH, EVERY_SIXTH));
        return Keys.windows(json, layers, Keys.window(json, 4096), layer -> (layer + 1) % pattern != 0);
    }

    /** Transformers 5 has an object for each type of layer; before, only those that see everything could be stretched. */
    private static RopeFrequencies rope(ConfigJson json, String layers, long headWidth) {
        boolean slide = layers.equals("sliding_attention");
        double theta = slide ? json.positive("rope_local_base_freq", 10_000) : json.positive("rope_theta", 1_000_000);
        ConfigJson rope = json.has("rope_parameters")
                ? json.object("rope_parameters").object(layers)
                : json.object(slide ? "" : "rope_scaling");
        return RopeKeys.read(json, rope, headWidth, rope.positive("rope_theta", theta), 1);
    }
}
