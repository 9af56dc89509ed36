// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.family;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.IntPredicate;
import org.chorale.model.decoder.DecoderConfig;
import org.chorale.model.decoder.FeedForwardConfig;
import org.chorale.model.decoder.NormConfig;
import org.chorale.model.decoder.RopeFrequencies;
import org.chorale.model.layer.Activation;
import org.chorale.model.outline.ConfigJson;
import org.jspecify.annotations.Nullable;

/** Qwen 3 (arXiv 2505.09388) with mixtures of experts in all blocks, or in some. */
final class Qwen3Moe implements Family {
    private static final String DENSE_LAYERS = "mlp_only_layers";

    @Override
    public DecoderConfig read(ConfigJson json) {
        Sizes sizes = Sizes.read(json, 0, 32_768);
        RopeFrequencies rope = RopeKeys.read(json, sizes.headWidth(), 10_000, 1);
        Activation activation = Keys.activation(json, "hidden_act", "silu");
        boolean bias = json.flag("attention_bias", false);
        Long window = json.flag("use_sliding_window", false) ? Keys.window(json, 4096) : null;
        List<@Nullable Long> windows = Keys.windows(json, sizes.layers(), window, layer -> true);
        Experts experts = Experts.read(json, 128, 8, json.flag("norm_topk_prob", false));
        long inner = json.count("moe_intermediate_size", Sizes.MAX_WIDTH, 768);
        IntPredicate sparse = sparse(json, sizes.layers());
        Keys.refuseDropout(json, "attention_dropout", "router_jitter_noise");
        Parts parts = new Parts(json, sizes, NormConfig.Kind.RMS, json.positive("rms_norm_eps", 1e-6));
        return parts.decoder("qwen3_moe", layer -> {
            String block = Parts.BLOCKS + layer;
            return parts.block(
                    block,
                    Qwen3.attention(parts, block, bias, rope, windows.get(layer)),
                    sparse.test(layer)
                            ? mixture(parts, block + ".mlp", experts, inner, activation)
                            : parts.feedForward(block, activation, false));
        });
    }

    /** Which layers have experts: every n-th, but those that are named. */
    private static IntPredicate sparse(ConfigJson json, int layers) {
        long step = json.count("decoder_sparse_step", Integer.MAX_VALUE, 1);
        JsonNode named = json.root().path(DENSE_LAYERS);
        if (json.has(DENSE_LAYERS) && !named.isArray()) {
            json.problem("%s = %s: must be a list of layers' numbers".formatted(DENSE_LAYERS, named));
        }
        Set<Integer> dense = new HashSet<>();
        for (JsonNode layer : named) {
            if (!layer.isInt() || layer.intValue() < 0 || layer.intValue() >= layers) {
                json.problem("%s: %s: the model has the layers 0 to %d".formatted(DENSE_LAYERS, layer, layers - 1));
            }
            dense.add(layer.intValue());
        }
        return layer -> (layer + 1) % step == 0 && !dense.contains(layer);
    }

    private static FeedForwardConfig mixture(
            Parts parts, String module, Experts experts, long inner, Activation activation) {
        long width = parts.sizes().width();
        return experts.mixture(parts.linear(module + ".gate", width, experts.count(), false), number -> {
            String expert = module + ".experts." + number;
            return Parts.gated(
                    parts.linear(expert + ".gate_proj", width, inner, false),
                    parts.linear(expert + ".up_proj", width, inner, false),
                    activation,
                    parts.linear(expert + ".down_proj", inner, width, false));
        });
    }
}
