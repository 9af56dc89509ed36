// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.example;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.Scalars;
import org.chorale.training.pipeline.Context;
import org.chorale.training.pipeline.NamedTensors;
import org.chorale.training.pipeline.PreProcessor;

/** Hides tokens at random, for the model to guess. A sample's tokens are hidden alike however batches are cut. */
public final class TokenMasker implements PreProcessor {
    private static final String PROBABILITY = "mask-probability";
    private static final String TOKEN = "mask-token-id";

    private final double probability;
    private final long token;

    /** @param token what stands in the place of a hidden token */
    public TokenMasker(double probability, long token) {
        if (!(probability >= 0 && probability <= 1)) {
            throw new IllegalArgumentException(PROBABILITY + " = " + probability + ": must be from 0 to 1");
        }
        this.probability = probability;
        this.token = token;
    }

    public TokenMasker(Config config) {
        this(config.getDouble(PROBABILITY), config.getLong(TOKEN));
    }

    @Override
    public String contract() {
        return "batch:2:i64 | ctx.attention_mask:2:f -> batch:2:i64 | ctx.original_input_ids:2:i64, ctx.mask:2:f";
    }

    @Override
    public NamedTensors process(NamedTensors batch, Context context) {
        Tensor tokens = batch.get(NamedTensors.BATCH); // [B, T]
        Tensor hidden =
                context.random(name()).uniform(tokens.size(0), tokens.size(1)).lt(Scalars.of(probability));
        hidden = hidden.logical_and(context.tensor(Context.ATTENTION_MASK)); // padding hides nothing
        context.put("original_input_ids", tokens);
        context.put("mask", hidden.to(ScalarType.Float));
        return batch.with(NamedTensors.BATCH, tokens.masked_fill(hidden, Scalars.of((double) token)));
    }

    @Override
    public Config config() {
        return ConfigFactory.parseMap(Map.of(PROBABILITY, probability, TOKEN, token));
    }
}
