// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.decoder;

import org.chorale.model.outline.ConfigJson;
import org.chorale.model.outline.InvalidModelException.Reason;

/**
 * What a Llama's config.json says, as Transformers 4 ({@code rope_theta}, {@code rope_scaling}) and 5 ({@code
 * rope_parameters}) write it.
 *
 * @param vocabulary V, rows of the embedding
 * @param width D, of the model
 * @param innerWidth F, of the feed-forward network
 * @param layers blocks
 * @param heads N, query heads
 * @param keyValueHeads K, each shared by N/K query heads
 * @param headWidth H; N·H need not be D
 * @param contextTokens longest sequence that the model was made for
 * @param epsilon of the norms
 * @param attentionBias whether the four attention projections have biases
 * @param innerBias whether the three feed-forward projections have biases
 * @param tied whether the head is the embedding
 * @param initialDeviation of the normal distribution that first weights are drawn from
 * @param rope the frequencies of the rotary embedding
 */
public record DecoderConfig(
        long vocabulary,
        long width,
        long innerWidth,
        int layers,
        long heads,
        long keyValueHeads,
        long headWidth,
        long contextTokens,
        double epsilon,
        boolean attentionBias,
        boolean innerBias,
        boolean tied,
        double initialDeviation,
        RopeFrequencies rope) {
    /** Hugging Face's name of the family. */
    public static final String MODEL_TYPE = "llama";

    /** Above any published model, and small enough that sizes cannot overflow. */
    private static final long MAX_WIDTH = 1 << 20;

    private static final long MAX_VOCABULARY = 1 << 24;
    private static final long MAX_LAYERS = 4096;
    private static final long MAX_CONTEXT_TOKENS = 1L << 32;

    /**
     * Reads and checks a configuration. Defaults are Transformers'.
     *
     * @throws org.chorale.model.outline.InvalidModelException with every problem, a line each
     */
    public static DecoderConfig from(ConfigJson json) {
        long width = json.count("hidden_size", MAX_WIDTH);
        long heads = json.count("num_attention_heads", MAX_WIDTH);
        if (!json.has("head_dim") && width % heads != 0) {
            json.problem("num_attention_heads = %d: must divide hidden_size = %d where head_dim is not given"
                    .formatted(heads, width));
        }
        DecoderConfig config = new DecoderConfig(
                json.count("vocab_size", MAX_VOCABULARY),
                width,
                json.count("intermediate_size", MAX_WIDTH),
                (int) json.count("num_hidden_layers", MAX_LAYERS),
                heads,
                json.count("num_key_value_heads", MAX_WIDTH, heads),
                json.count("head_dim", MAX_WIDTH, Math.max(1, width / heads)),
                json.count("max_position_embeddings", MAX_CONTEXT_TOKENS, 2048),
                json.positive("rms_norm_eps", 1e-6),
                json.flag("attention_bias", false),
                json.flag("mlp_bias", false),
                json.flag("tie_word_embeddings", false),
                json.positive("initializer_range", 0.02),
                RopeFrequencies.from(json));
        config.checkHeads(json);
        json.throwProblems(Reason.MISMATCH);
        refuseWhatIsNotSupported(json);
        return config;
    }

    /** The same model with a head of its own. */
    public DecoderConfig untied() {
        return new DecoderConfig(
                vocabulary,
                width,
                innerWidth,
                layers,
                heads,
                keyValueHeads,
                headWidth,
                contextTokens,
                epsilon,
                attentionBias,
                innerBias,
                false,
                initialDeviation,
                rope);
    }

    private void checkHeads(ConfigJson json) {
        if (heads % keyValueHeads != 0) {
            json.problem(
                    "num_key_value_heads = %d: must divide num_attention_heads = %d".formatted(keyValueHeads, heads));
        }
        if (headWidth % 2 != 0) {
            json.problem("head_dim = %d: must be even, because rotary embedding turns pairs".formatted(headWidth));
        }
    }

    private static void refuseWhatIsNotSupported(ConfigJson json) {
        if (!json.text("hidden_act", "silu").equals("silu")) {
            json.problem("hidden_act = %s: only silu is supported".formatted(json.text("hidden_act", "")));
        }
        if (json.root().path("attention_dropout").asDouble(0) != 0) {
            json.problem("attention_dropout = %s: only 0 is supported"
                    .formatted(json.root().path("attention_dropout")));
        }
        if (json.has("quantization_config")) {
            json.problem("quantization_config: quantised weights are not supported");
        }
        json.throwProblems(Reason.UNSUPPORTED);
    }
}
