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

/** Qwen 2 and 2.5 (arXiv 2407.10671): biases on query, key and value, and upper layers that may slide. */
final class Qwen2 implements Family {
    @Override
    public DecoderConfig read(ConfigJson json) {
        Sizes sizes = Sizes.read(json, 0, 32_768);
        RopeFrequencies rope = RopeKeys.read(json, sizes.headWidth(), 10_000, 1);
        Activation activation = Keys.activation(json, "hidden_act", "silu");
        List<@Nullable Long> windows = windows(json, sizes.layers());
        Keys.refuseDropout(json, "attention_dropout");
        Parts parts = new Parts(json, sizes, NormConfig.Kind.RMS, json.positive("rms_norm_eps", 1e-6));
        return parts.decoder("qwen2", layer -> {
            String block = Parts.BLOCKS + layer;
            return parts.block(
                    block,
                    parts.attention(
                            parts.projections(block, true), parts.output(block, false), rope, windows.get(layer)),
                    parts.feedForward(block, activation, false));
        });
    }

    /** The lower {@code max_window_layers} see everything, whatever the others do. */
    static List<@Nullable Long> windows(ConfigJson json, int layers) {
        Long window = json.flag("use_sliding_window", false) ? Keys.window(json, 4096) : null;
        long whole = json.root().path("max_window_layers").asLong(28);
        return Keys.windows(json, layers, window, layer -> layer >= whole);
    }
}
