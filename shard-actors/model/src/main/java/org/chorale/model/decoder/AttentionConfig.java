// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.decoder;

import java.util.List;
import org.chorale.model.layer.FlashAttention;
import org.chorale.model.layer.Scores;
import org.chorale.model.outline.LinearOutline;
import org.jspecify.annotations.Nullable;

/**
 * The attention of a block.
 *
 * @param inputs linears for query, key and value, or one for all of them
 * @param interleaved whether that one gives heads as q₀ k₀ v₀ q₁ k₁ v₁ …
 * @param output the linear behind it
 * @param heads N, query heads
 * @param keyValueHeads K, each shared by N/K query heads
 * @param headWidth H; N·H need not be D
 * @param queryNorm before queries are turned; null for none, and so is keyNorm then
 * @param rope the frequencies of the rotary embedding
 * @param window tokens that a query sees at most, itself included; null for all before it
 */
public record AttentionConfig(
        List<LinearOutline> inputs,
        boolean interleaved,
        LinearOutline output,
        long heads,
        long keyValueHeads,
        long headWidth,
        @Nullable NormConfig queryNorm,
        @Nullable NormConfig keyNorm,
        RopeFrequencies rope,
        @Nullable Long window,
        Scores scores) {
    public AttentionConfig {
        inputs = List.copyOf(inputs);
    }

    /** N·H. */
    public long queryWidth() {
        return heads * headWidth;
    }

    /** K·H. */
    public long keyWidth() {
        return keyValueHeads * headWidth;
    }

    /** What computes it. */
    FlashAttention flash() {
        return (window == null ? new FlashAttention() : FlashAttention.sliding(window)).with(scores);
    }
}
