// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.family;

import org.chorale.model.outline.ConfigJson;

/**
 * The sizes that every family has, by the names that nearly all of them use.
 *
 * @param vocabulary V, rows of the embedding
 * @param width D, of the model
 * @param innerWidth F, of the feed-forward network
 * @param layers blocks
 * @param heads N, query heads
 * @param keyValueHeads K, each shared by N/K query heads
 * @param headWidth H; N·H need not be D
 * @param contextTokens longest sequence that the model was made for
 */
record Sizes(
        long vocabulary,
        long width,
        long innerWidth,
        int layers,
        long heads,
        long keyValueHeads,
        long headWidth,
        long contextTokens) {
    /** Above any published model, and small enough that sizes cannot overflow. */
    static final long MAX_WIDTH = 1 << 20;

    private static final long MAX_VOCABULARY = 1 << 24;
    private static final long MAX_LAYERS = 4096;
    private static final long MAX_CONTEXT_TOKENS = 1L << 32;

    /**
     * Reads and checks them.
     *
     * @param headWidth where it is not given; 0 for D/N
     * @param contextTokens where they are not given
     */
    static Sizes read(ConfigJson json, long headWidth, long contextTokens) {
        long width = json.count("hidden_size", MAX_WIDTH);
        long heads = json.count("num_attention_heads", MAX_WIDTH);
        if (!json.has("head_dim") && headWidth == 0 && width % heads != 0) {
            json.problem("num_attention_heads = %d: must divide hidden_size = %d where head_dim is not given"
                    .formatted(heads, width));
        }
        long otherwise = headWidth == 0 ? Math.max(1, width / heads) : headWidth;
        Sizes sizes = new Sizes(
                json.count("vocab_size", MAX_VOCABULARY),
                width,
                json.count("intermediate_size", MAX_WIDTH),
                (int) json.count("num_hidden_layers", MAX_LAYERS),
                heads,
                json.count("num_key_value_heads", MAX_WIDTH, heads),
                json.count("head_dim", MAX_WIDTH, otherwise),
                json.count("max_position_embeddings", MAX_CONTEXT_TOKENS, contextTokens));
        if (heads % sizes.keyValueHeads != 0) {
            json.problem("num_key_value_heads = %d: must divide num_attention_heads = %d"
                    .formatted(sizes.keyValueHeads, heads));
        }
        if (sizes.headWidth % 2 != 0) {
            json.problem(
                    "head_dim = %d: must be even, because rotary embedding turns pairs".formatted(sizes.headWidth));
        }
        return sizes;
    }

    long queryWidth() {
        return heads * headWidth;
    }

    long keyWidth() {
        return keyValueHeads * headWidth;
    }
}
