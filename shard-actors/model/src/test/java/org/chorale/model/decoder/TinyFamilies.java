// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.decoder;

import java.util.List;
import java.util.stream.Stream;

/** A config.json of each family, and of what each leaves to choose, for models of two or three blocks and 29 tokens. */
final class TinyFamilies {
    private static final String SIZES = """
            "vocab_size": 29, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2,
            "num_attention_heads": 4, "max_position_embeddings": 64, "initializer_range": 0.3""";

    private static final String GROUPED = SIZES + ", \"num_key_value_heads\": 2, \"head_dim\": 8";

    private static final String THREE_HEADS = SIZES.replace("heads\": 4", "heads\": 3");

    private TinyFamilies() {}

    static List<String> all() {
        return Stream.of(
                        of("llama", GROUPED, "\"attention_bias\": true, \"mlp_bias\": true"),
                        of("llama", GROUPED, rope("\"rope_type\": \"linear\", \"factor\": 4.0")),
                        of(
                                "llama",
                                GROUPED,
                                rope("\"rope_type\": \"dynamic\", \"factor\": 2.0")
                                        + ", \"max_position_embeddings\": 4"),
                        of("llama", GROUPED, rope("""
                                "rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 8""")),
                        of("llama", GROUPED, "\"tie_word_embeddings\": true, \"hidden_act\": \"gelu\""),
                        of("mistral", GROUPED, "\"sliding_window\": 3"),
                        of("mistral", GROUPED, "\"sliding_window\": null"),
                        of("qwen2", GROUPED, """
                                "use_sliding_window": true, "sliding_window": 2, "max_window_layers": 1"""),
                        of("qwen3", GROUPED, "\"attention_bias\": true, \"tie_word_embeddings\": true"),
                        of("gpt_neox", THREE_HEADS, "\"rotary_pct\": 0.5"),
                        of("gpt_neox", THREE_HEADS, "\"rotary_pct\": 1.0, \"use_parallel_residual\": false"),
                        of("gpt_neox", THREE_HEADS, "\"attention_bias\": false, \"hidden_act\": \"gelu_new\""),
                        of("gemma2", GROUPED, """
                                "sliding_window": 3, "query_pre_attn_scalar": 5, "attn_logit_softcapping": 1.5,
                                "final_logit_softcapping": 2.0"""),
                        of("gemma3_text", GROUPED, """
                                "sliding_window": 2, "query_pre_attn_scalar": 9, "sliding_window_pattern": 2"""),
                        of(
                                "phi3",
                                SIZES,
                                "\"num_key_value_heads\": 2, \"partial_rotary_factor\": 0.75, \"head_dim\": 8"),
                        of("olmo2", GROUPED, "\"rms_norm_eps\": 1e-5"),
                        of("mixtral", GROUPED, "\"sliding_window\": 3, \"num_local_experts\": 5"),
                        of("qwen3_moe", GROUPED, """
                                "num_experts": 4, "num_experts_per_tok": 3, "moe_intermediate_size": 16,
                                "norm_topk_prob": true"""),
                        of("qwen3_moe", GROUPED, """
                                "num_experts": 6, "num_experts_per_tok": 1, "moe_intermediate_size": 16,
                                "mlp_only_layers": [1], "attention_bias": true, "tie_word_embeddings": true"""))
                .toList();
    }

    private static String rope(String parameters) {
        return "\"rope_parameters\": {\"rope_theta\": 100.0, %s}".formatted(parameters);
    }

    /** What is chosen last counts. */
    private static String of(String family, String sizes, String chosen) {
        String all = chosen.contains("max_position") && !chosen.contains("original")
                ? sizes.replace("\"max_position_embeddings\": 64, ", "")
                : sizes;
        return "{\"model_type\": \"%s\", %s, %s}".formatted(family, all, chosen);
    }
}
