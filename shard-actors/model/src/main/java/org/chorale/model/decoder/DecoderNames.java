// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.decoder;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.chorale.model.outline.LinearOutline;
import org.chorale.model.outline.UnitOutline;
import org.chorale.model.outline.UnitOutline.ParameterOutline;

/** The published names of a Llama's parameters, their shapes, and the units that they form. */
final class DecoderNames {
    static final String ROOT_UNIT = "root";
    static final String HEAD_UNIT = "head";
    static final String EMBEDDING = "model.embed_tokens.weight";
    static final String NORM = "model.norm.weight";
    static final String HEAD_MODULE = "lm_head";
    static final String HEAD = HEAD_MODULE + ".weight";

    private DecoderNames() {}

    static String block(int layer) {
        return "model.layers." + layer;
    }

    /** The blocks' names, which are those of their units. */
    static List<String> blocks(DecoderConfig config) {
        return IntStream.range(0, config.layers()).mapToObj(DecoderNames::block).toList();
    }

    /** Units in the order of the forward pass. A tied head needs its embedding, so both ends are one unit then. */
    static List<UnitOutline> units(DecoderConfig config) {
        ParameterOutline embedding = ParameterOutline.of(EMBEDDING, config.vocabulary(), config.width());
        ParameterOutline norm = ParameterOutline.of(NORM, config.width());
        ParameterOutline head = ParameterOutline.of(HEAD, config.vocabulary(), config.width());
        List<UnitOutline> units = new ArrayList<>();
        units.add(new UnitOutline(ROOT_UNIT, config.tied() ? List.of(embedding, norm) : List.of(embedding)));
        blocks(config).forEach(block -> units.add(new UnitOutline(block, blockParameters(config, block))));
        if (!config.tied()) {
            units.add(new UnitOutline(HEAD_UNIT, List.of(norm, head)));
        }
        return units;
    }

    /** Everything that an adapter may be put on, in the order of the forward pass; the head comes last. */
    static List<LinearOutline> linears(DecoderConfig config) {
        List<LinearOutline> linears = new ArrayList<>();
        for (String block : blocks(config)) {
            linears.addAll(attention(config, block));
            linears.addAll(feedForward(config, block));
        }
        linears.add(new LinearOutline(HEAD_MODULE, config.width(), config.vocabulary(), false, true));
        return linears;
    }

    private static List<ParameterOutline> blockParameters(DecoderConfig config, String block) {
        List<ParameterOutline> parameters = new ArrayList<>();
        parameters.add(ParameterOutline.of(block + ".input_layernorm.weight", config.width()));
        attention(config, block).forEach(linear -> parameters.addAll(linear.parameters()));
        parameters.add(ParameterOutline.of(block + ".post_attention_layernorm.weight", config.width()));
        feedForward(config, block).forEach(linear -> parameters.addAll(linear.parameters()));
        return parameters;
    }

    private static List<LinearOutline> attention(DecoderConfig config, String block) {
        long queries = config.heads() * config.headWidth();
        long keys = config.keyValueHeads() * config.headWidth();
        boolean bias = config.attentionBias();
        return List.of(
                new LinearOutline(block + ".self_attn.q_proj", config.width(), queries, bias, false),
                new LinearOutline(block + ".self_attn.k_proj", config.width(), keys, bias, false),
                new LinearOutline(block + ".self_attn.v_proj", config.width(), keys, bias, false),
                new LinearOutline(block + ".self_attn.o_proj", queries, config.width(), bias, false));
    }

    private static List<LinearOutline> feedForward(DecoderConfig config, String block) {
        boolean bias = config.innerBias();
        return List.of(
                new LinearOutline(block + ".mlp.gate_proj", config.width(), config.innerWidth(), bias, false),
                new LinearOutline(block + ".mlp.up_proj", config.width(), config.innerWidth(), bias, false),
                new LinearOutline(block + ".mlp.down_proj", config.innerWidth(), config.width(), bias, false));
    }
}
