// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.family;

import org.chorale.model.decoder.DecoderConfig;
import org.chorale.model.decoder.NormConfig;
import org.chorale.model.decoder.RopeFrequencies;
import org.chorale.model.layer.Activation;
import org.chorale.model.outline.ConfigJson;

/** Llama (Touvron et al. 2023, arXiv 2302.13971), Llama 2 and 3. */
final class Llama implements Family {
    @Override
    public DecoderConfig read(ConfigJson json) {
        Sizes sizes = Sizes.read(json, 0, 2048);
        RopeFrequencies rope = RopeKeys.read(json, sizes.headWidth(), 10_000, 1);
        Activation activation = Keys.activation(json, "hidden_act", "silu");
        boolean bias = json.flag("attention_bias", false);
        boolean innerBias = json.flag("mlp_bias", false);
        Keys.refuseDropout(json, "attention_dropout");
        Parts parts = new Parts(json, sizes, NormConfig.Kind.RMS, json.positive("rms_norm_eps", 1e-6));
        return parts.decoder("llama", layer -> {
            String block = Parts.BLOCKS + layer;
            return parts.block(
                    block,
                    parts.attention(parts.projections(block, bias), parts.output(block, bias), rope, null),
                    parts.feedForward(block, activation, innerBias));
        });
    }
}
