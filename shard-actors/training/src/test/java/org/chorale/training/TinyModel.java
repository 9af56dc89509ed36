// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.chorale.model.ModelFolder;
import org.chorale.training.optimizer.OptimizerConfig;
import org.chorale.training.shard.ModelShard;
import org.chorale.training.shard.UnitLayout;

/** A Llama small enough to train a thousand steps in a test, and batches for it. */
final class TinyModel {
    static final int VOCABULARY = 37;
    static final OptimizerConfig OPTIMIZER = OptimizerConfig.adamW(1e-2, 0.01, 1.0);

    private TinyModel() {}

    static ModelFolder folder(Path directory, boolean tied) {
        return folder(directory, tied, true, 2);
    }

    /** Without the bias of keys, whose gradient is hardly more than noise, which Adam turns into moves. */
    static ModelFolder unbiased(Path directory, boolean tied) {
        try {
            return folder(Files.createTempDirectory(directory, "model"), tied, false, 2);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Untied, with so many blocks. */
    static ModelFolder deep(Path directory, int blocks) {
        return folder(directory, false, true, blocks);
    }

    /** Two of four experts for each token, whose routers are balanced. */
    static ModelFolder mixture(Path directory) {
        try {
            return random(Files.createTempDirectory(directory, "model"), """
                    {"model_type": "mixtral", "vocab_size": %d, "hidden_size": 24, "intermediate_size": 40,
                     "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
                     "num_local_experts": 4, "num_experts_per_tok": 2, "initializer_range": 0.3,
                     "output_router_logits": true, "router_aux_loss_coef": 0.1}
                    """.formatted(VOCABULARY));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static ModelFolder folder(Path directory, boolean tied, boolean attentionBias, int blocks) {
        String config = """
                {"model_type": "llama", "vocab_size": %d, "hidden_size": 24, "intermediate_size": 40,
                 "num_hidden_layers": %d, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
                 "attention_bias": %s, "mlp_bias": true, "initializer_range": 0.3, "tie_word_embeddings": %s}
                """.formatted(VOCABULARY, blocks, attentionBias, tied);
        return random(directory, config);
    }

    private static ModelFolder random(Path directory, String config) {
        try {
            Files.writeString(directory.resolve("config.json"), config);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return ModelFolder.random(directory, 5);
    }

    static ModelShard shard(ModelFolder folder) {
        ModelShard shard = new ModelShard(
                folder, folder.units().stream().map(UnitLayout::whole).toList());
        shard.load(folder);
        return shard;
    }

    /** Sequences of different lengths, padded on the right; the first third of each is a prompt. */
    static MicroBatch batch(long seed, int sequences, int width) {
        Random random = new Random(seed);
        long[] tokens = new long[sequences * width];
        long[] labels = new long[sequences * width];
        for (int i = 0; i < sequences; i++) {
            int length = 2 + random.nextInt(width - 1);
            for (int t = 0; t < width; t++) {
                int at = i * width + t;
                tokens[at] = t < length ? random.nextInt(VOCABULARY) : 0;
                labels[at] = t < length && t > length / 3 ? tokens[at] : MicroBatch.IGNORED;
            }
        }
        return MicroBatch.rightPadded(sequences, width, tokens, labels);
    }

    /** Some sequences of a batch, as a batch of their own. */
    static MicroBatch part(MicroBatch batch, int from, int until) {
        return MicroBatch.rightPadded(
                        until - from,
                        batch.width(),
                        Arrays.copyOfRange(batch.tokens(), from * batch.width(), until * batch.width()),
                        Arrays.copyOfRange(batch.labels(), from * batch.width(), until * batch.width()))
                .withSamples(Arrays.copyOfRange(batch.samples(), from, until));
    }
}
