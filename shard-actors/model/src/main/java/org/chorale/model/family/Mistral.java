// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.family;

import java.util.List;
import org.chorale.model.decoder.DecoderConfig;
import org.chorale.model.decoder.NormConfig;
import org.chorale.model.decoder.RopeFrequencies;
import org.chorale.model.layer.Activation;
import org.chorale.model.outline.ConfigJson;
import org.jspecify.annotations.Nullable;

/** Mistral (Jiang et al. 2023, arXiv 2310.06825): a Llama whose attention may slide. */
final class Mistral implements Family {
    @Override
    public DecoderConfig read(ConfigJson json) {
        Sizes sizes = Sizes.read(json, 0, 131_072);
        RopeFrequencies rope = RopeKeys.read(json, sizes.headWidth(), 10_000, 1);
        Activation activation = Keys.activation(json, "hidden_act", "silu");
        List<@Nullable Long> windows = Keys.windows(json, sizes.layers(), Keys.window(json, 4096), layer -> true);
        Keys.refuseDropout(json, "attention_dropout");
        Parts parts = new Parts(json, sizes, NormConfig.Kind.RMS, json.positive("rms_norm_eps", 1e-6));
        return parts.decoder("mistral", layer -> {
            String block = Parts.BLOCKS + layer;
            return parts.block(
                    block,
                    parts.attention(
                            parts.projections(block, false), parts.output(block, false), rope, windows.get(layer)),
                    parts.feedForward(block, activation, false));
        });
    }
}
