// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.util.Arrays;
import java.util.stream.Collectors;
import org.chorale.training.RecomputePolicy;

/**
 * What is measured on GPUs: the rows of the table in the README. Sizes are those of TinyLlama and of Llama 3, and of eight
 * layers like Mixtral's and Qwen 3's with experts.
 */
enum BenchRow {
    /** Full fine-tune of 1.1B parameters. */
    B1_FULL("1b-full", Shape.B1, 0, 8, 2048, "bf16-true", RecomputePolicy.NONE, 1e-4, 1),
    /** LoRA on 8B, with little memory. */
    B8_LORA_RECOMPUTE("8b-lora-recompute", Shape.B8, 16, 4, 2048, "bf16", RecomputePolicy.FULL, 1e-4, 1),
    /** LoRA on 8B, as fast as may be. */
    B8_LORA("8b-lora", Shape.B8, 16, 4, 2048, "bf16", RecomputePolicy.NONE, 1e-4, 1),
    /** Full fine-tune of 8B. */
    B8_FULL("8b-full", Shape.B8, 0, 4, 4096, "bf16-true", RecomputePolicy.FULL, 1e-5, 1),
    /** Full fine-tune of 8B with fp32 masters, on two GPUs that hold half of everything each. */
    B8_FULL_SHARD("8b-full-shard", Shape.B8, 0, 1, 8192, "bf16", RecomputePolicy.FULL, 1e-5, 2),
    /** Likewise, without masters. */
    B8_FULL_SHARD_BF16("8b-full-shard-bf16", Shape.B8, 0, 4, 4096, "bf16-true", RecomputePolicy.FULL, 1e-5, 2),
    /** LoRA on 8B, of which two GPUs hold half each. */
    B8_LORA_SHARD("8b-lora-shard", Shape.B8, 16, 4, 2048, "bf16", RecomputePolicy.NONE, 1e-4, 2),
    /** Full fine-tune of 2.4B parameters in mixtures of few and wide experts, two for each token. */
    MIXTURE_8("mixture-8", Shape.MIXTRAL, 0, 4, 2048, "bf16-true", RecomputePolicy.NONE, 1e-4, 1),
    /** Likewise of 5.1B in mixtures of many and narrow ones, eight for each token. */
    MIXTURE_128("mixture-128", Shape.QWEN3_MOE, 0, 4, 2048, "bf16-true", RecomputePolicy.NONE, 1e-4, 1),
    /** So small that launching kernels takes longer than running them. */
    TINY("tiny", Shape.TINY, 0, 32, 64, "fp32", RecomputePolicy.NONE, 1e-3, 1);

    private static final String LLAMA = "\"model_type\": \"llama\"";

    private final String word;
    private final Shape shape;
    private final int adapterRank;
    private final int sequences;
    private final int tokens;
    private final String precision;
    private final RecomputePolicy recompute;
    private final double learningRate;
    private final int ranks;

    /** A model's sizes. */
    enum Shape {
        B1(32_000, 2048, 5632, 22, 32, 4, 10_000, LLAMA),
        B8(128_256, 4096, 14_336, 32, 32, 8, 500_000, LLAMA),
        MIXTRAL(32_000, 2048, 5632, 8, 32, 8, 1_000_000, """
                "model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 2"""),
        QWEN3_MOE(32_000, 2048, 6144, 8, 32, 4, 1_000_000, """
                "model_type": "qwen3_moe", "head_dim": 128, "moe_intermediate_size": 768, "num_experts": 128,
                "num_experts_per_tok": 8, "norm_topk_prob": true"""),
        TINY(512, 128, 384, 4, 4, 2, 10_000, LLAMA);

        private final long vocabulary;
        private final long width; // D, of the model
        private final long innerWidth; // F, of the feed-forward network
        private final int layers;
        private final int heads;
        private final int keyValueHeads;
        private final double ropeTheta;
        private final String family; // keys of config.json that it alone has

        Shape(
                long vocabulary,
                long width,
                long innerWidth,
                int layers,
                int heads,
                int keyValueHeads,
                double ropeTheta,
                String family) {
            this.vocabulary = vocabulary;
            this.width = width;
            this.innerWidth = innerWidth;
            this.layers = layers;
            this.heads = heads;
            this.keyValueHeads = keyValueHeads;
            this.ropeTheta = ropeTheta;
            this.family = family;
        }

        boolean hasExperts() {
            return family.contains("num_experts_per_tok");
        }

        long vocabulary() {
            return vocabulary;
        }

        /** As config.json says it. */
        String json(int contextTokens) {
            return """
                    {%s, "vocab_size": %d, "hidden_size": %d, "intermediate_size": %d,
                     "num_hidden_layers": %d, "num_attention_heads": %d, "num_key_value_heads": %d,
                     "rope_theta": %s, "max_position_embeddings": %d, "rms_norm_eps": 1e-5,
                     "tie_word_embeddings": false}
                    """.formatted(
                    family, vocabulary, width, innerWidth, layers, heads, keyValueHeads, ropeTheta, contextTokens);
        }
    }

    BenchRow(
            String word,
            Shape shape,
            int adapterRank,
            int sequences,
            int tokens,
            String precision,
            RecomputePolicy recompute,
            double learningRate,
            int ranks) {
        this.word = word;
        this.shape = shape;
        this.adapterRank = adapterRank;
        this.sequences = sequences;
        this.tokens = tokens;
        this.precision = precision;
        this.recompute = recompute;
        this.learningRate = learningRate;
        this.ranks = ranks;
    }

    /** @throws IllegalArgumentException where there is no such row: with those that there are */
    static BenchRow of(String word) {
        return Arrays.stream(values())
                .filter(row -> row.word.equals(word))
                .findFirst()
                .orElseThrow(
                        () -> new IllegalArgumentException("there is no row " + word + ": give one of " + words()));
    }

    /** All rows as they are named on a command line. */
    static String words() {
        return Arrays.stream(values()).map(BenchRow::word).collect(Collectors.joining(", "));
    }

    String word() {
        return word;
    }

    Shape shape() {
        return shape;
    }

    /** 0 where the whole model is trained. */
    int adapterRank() {
        return adapterRank;
    }

    /** B, in one forward pass. */
    int sequences() {
        return sequences;
    }

    /** T, in a sequence. */
    int tokens() {
        return tokens;
    }

    String precision() {
        return precision;
    }

    RecomputePolicy recompute() {
        return recompute;
    }

    double learningRate() {
        return learningRate;
    }

    /** GPUs of one machine, each with a part of the model and sequences of its own. */
    int ranks() {
        return ranks;
    }
}
