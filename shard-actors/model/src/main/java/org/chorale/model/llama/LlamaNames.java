// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.llama;

import java.util.ArrayList;
import java.util.List;
import org.chorale.model.outline.UnitOutline;
import org.chorale.model.outline.UnitOutline.ParameterOutline;

/** The published names of a Llama's parameters, their shapes, and the units that they form. */
final class LlamaNames {
    static final String EMBEDDING = "model.embed_tokens.weight";
    static final String NORM = "model.norm.weight";
    static final String HEAD = "lm_head.weight";

    private LlamaNames() {}

    static String block(int layer) {
        return "model.layers." + layer;
    }

    /** Units in the order of the forward pass. A tied head needs its embedding, so both ends are one unit then. */
    static List<UnitOutline> units(LlamaConfig config) {
        ParameterOutline embedding = ParameterOutline.of(EMBEDDING, config.vocabulary(), config.width());
        ParameterOutline norm = ParameterOutline.of(NORM, config.width());
        ParameterOutline head = ParameterOutline.of(HEAD, config.vocabulary(), config.width());
        List<UnitOutline> units = new ArrayList<>();
        units.add(new UnitOutline("root", config.tied() ? List.of(embedding, norm) : List.of(embedding)));
        for (int layer = 0; layer < config.layers(); layer++) {
            units.add(new UnitOutline(block(layer), blockParameters(config, block(layer) + ".")));
        }
        if (!config.tied()) {
            units.add(new UnitOutline("head", List.of(norm, head)));
        }
        return units;
    }

    private static List<ParameterOutline> blockParameters(LlamaConfig config, String block) {
        long queries = config.heads() * config.headWidth();
        long keys = config.keyValueHeads() * config.headWidth();
        List<ParameterOutline> parameters = new ArrayList<>();
        parameters.add(ParameterOutline.of(block + "input_layernorm.weight", config.width()));
        linear(parameters, block + "self_attn.q_proj", queries, config.width(), config.attentionBias());
        linear(parameters, block + "self_attn.k_proj", keys, config.width(), config.attentionBias());
        linear(parameters, block + "self_attn.v_proj", keys, config.width(), config.attentionBias());
        linear(parameters, block + "self_attn.o_proj", config.width(), queries, config.attentionBias());
        parameters.add(ParameterOutline.of(block + "post_attention_layernorm.weight", config.width()));
        linear(parameters, block + "mlp.gate_proj", config.innerWidth(), config.width(), config.innerBias());
        linear(parameters, block + "mlp.up_proj", config.innerWidth(), config.width(), config.innerBias());
        linear(parameters, block + "mlp.down_proj", config.width(), config.innerWidth(), config.innerBias());
        return parameters;
    }

    private static void linear(
            List<ParameterOutline> parameters, String name, long outputs, long inputs, boolean bias) {
        parameters.add(ParameterOutline.of(name + ".weight", outputs, inputs));
        if (bias) {
            parameters.add(ParameterOutline.of(name + ".bias", outputs));
        }
    }
}
