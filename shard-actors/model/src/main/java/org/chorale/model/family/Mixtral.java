// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.family;

import java.util.List;
import org.chorale.model.decoder.DecoderConfig;
import org.chorale.model.decoder.FeedForwardConfig;
import org.chorale.model.decoder.NormConfig;
import org.chorale.model.decoder.RopeFrequencies;
import org.chorale.model.layer.Activation;
import org.chorale.model.outline.ConfigJson;
import org.jspecify.annotations.Nullable;

/** Mixtral (Jiang et al. 2024, arXiv 2401.04088): a Mistral whose feed-forward networks are mixtures of experts. */
final class Mixtral implements Family {
    @Override
    public DecoderConfig read(ConfigJson json) {
        Sizes sizes = Sizes.read(json, 0, 131_072);
        RopeFrequencies rope = RopeKeys.read(json, sizes.headWidth(), 1_000_000, 1);
        Activation activation = Keys.activation(json, "hidden_act", "silu");
        List<@Nullable Long> windows = Keys.windows(json, sizes.layers(), Keys.window(json, 0), layer -> true);
        Experts experts = Experts.read(json, 8, 2, true);
        Keys.refuseDropout(json, "attention_dropout", "router_jitter_noise");
        Parts parts = new Parts(json, sizes, NormConfig.Kind.RMS, json.positive("rms_norm_eps", 1e-5));
        return parts.decoder("mixtral", layer -> {
            String block = Parts.BLOCKS + layer;
            return parts.block(
                    block,
                    parts.attention(
                            parts.projections(block, false), parts.output(block, false), rope, windows.get(layer)),
                    mixture(parts, block + ".block_sparse_moe", experts, activation));
        });
    }

    private static FeedForwardConfig mixture(Parts parts, String module, Experts experts, Activation activation) {
        long width = parts.sizes().width();
        long inner = parts.sizes().innerWidth();
        return experts.mixture(parts.linear(module + ".gate", width, experts.count(), false), number -> {
            String expert = module + ".experts." + number;
            return Parts.gated(
                    parts.linear(expert + ".w1", width, inner, false),
                    parts.linear(expert + ".w3", width, inner, false),
                    activation,
                    parts.linear(expert + ".w2", inner, width, false));
        });
    }
}
