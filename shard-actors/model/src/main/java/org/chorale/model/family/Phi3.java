// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.family;

import java.util.List;
import org.chorale.model.decoder.AttentionConfig;
import org.chorale.model.decoder.DecoderConfig;
import org.chorale.model.decoder.FeedForwardConfig;
import org.chorale.model.decoder.NormConfig;
import org.chorale.model.decoder.RopeFrequencies;
import org.chorale.model.layer.Activation;
import org.chorale.model.outline.ConfigJson;
import org.chorale.model.outline.LinearOutline;
import org.jspecify.annotations.Nullable;

/** Phi-3 and Phi-4 (arXiv 2404.14219): one linear for queries, keys and values, and one for gate and up. */
final class Phi3 implements Family {
    @Override
    public DecoderConfig read(ConfigJson json) {
        Sizes sizes = Sizes.read(json, 0, 4096);
        RopeFrequencies rope = RopeKeys.read(json, sizes.headWidth(), 10_000, 1);
        List<@Nullable Long> windows = Keys.windows(json, sizes.layers(), Keys.window(json, 0), layer -> true);
        Activation activation = Keys.activation(json, "hidden_act", "silu");
        Keys.refuseDropout(json, "attention_dropout", "resid_pdrop", "embd_pdrop");
        Parts parts = new Parts(json, sizes, NormConfig.Kind.RMS, json.positive("rms_norm_eps", 1e-5));
        return parts.decoder("phi3", layer -> {
            String block = Parts.BLOCKS + layer;
            return parts.block(
                    block, attention(parts, block, rope, windows.get(layer)), feedForward(parts, block, activation));
        });
    }

    private static AttentionConfig attention(Parts parts, String block, RopeFrequencies rope, @Nullable Long window) {
        Sizes sizes = parts.sizes();
        LinearOutline all = parts.linear(
                block + ".self_attn.qkv_proj", sizes.width(), sizes.queryWidth() + 2 * sizes.keyWidth(), false);
        return parts.attention(List.of(all), parts.output(block, false), rope, window);
    }

    private static FeedForwardConfig feedForward(Parts parts, String block, Activation activation) {
        Sizes sizes = parts.sizes();
        return new FeedForwardConfig.Dense(
                List.of(parts.linear(block + ".mlp.gate_up_proj", sizes.width(), 2 * sizes.innerWidth(), false)),
                true,
                activation,
                parts.linear(block + ".mlp.down_proj", sizes.innerWidth(), sizes.width(), false),
                sizes.innerWidth());
    }
}
