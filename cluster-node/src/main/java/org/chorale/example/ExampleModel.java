// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.example;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.chorale.training.pipeline.AutogradModel;
import org.chorale.training.pipeline.Context;
import org.chorale.training.pipeline.LearnableParameter;
import org.chorale.training.pipeline.LearnableParameter.FirstValue;
import org.chorale.training.pipeline.NamedTensors;

/**
 * Embedding, encoder, decoder, each token for itself. B batch, T tokens, V vocabulary, E embedding width, H hidden width.
 *
 * <p>With the forward argument {@code return_hidden} it also gives the encoder's outputs.
 */
public final class ExampleModel implements AutogradModel {
    private static final String VOCABULARY = "vocabulary";
    private static final String EMBEDDING_WIDTH = "embedding-width";
    private static final String HIDDEN_WIDTH = "hidden-width";

    private final long vocabulary;
    private final long embeddingWidth;
    private final long hiddenWidth;

    public ExampleModel(long vocabulary, long embeddingWidth, long hiddenWidth) {
        this.vocabulary = vocabulary;
        this.embeddingWidth = embeddingWidth;
        this.hiddenWidth = hiddenWidth;
    }

    public ExampleModel(Config config) {
        this(config.getLong(VOCABULARY), config.getLong(EMBEDDING_WIDTH), config.getLong(HIDDEN_WIDTH));
    }

    @Override
    public String contract() {
        return "batch:2:i64 -> logits:3:f, hidden:3:f";
    }

    /** First values as libtorch's own layers draw them. */
    @Override
    public List<LearnableParameter> parameters() {
        FirstValue encoder = FirstValue.uniform(1 / Math.sqrt((double) embeddingWidth));
        FirstValue decoder = FirstValue.uniform(1 / Math.sqrt((double) hiddenWidth));
        return List.of(
                LearnableParameter.of("embedding.weight", FirstValue.normal(1), vocabulary, embeddingWidth),
                LearnableParameter.of("encoder.weight", encoder, hiddenWidth, embeddingWidth),
                LearnableParameter.of("encoder.bias", encoder, hiddenWidth),
                LearnableParameter.of("decoder.weight", decoder, vocabulary, hiddenWidth),
                LearnableParameter.of("decoder.bias", decoder, vocabulary));
    }

    @Override
    public NamedTensors forward(NamedTensors inputs, Context context, Function<String, Tensor> parameters) {
        Tensor tokens = inputs.get(NamedTensors.BATCH); // [B, T]
        Tensor embedded = torch.embedding(parameters.apply("embedding.weight"), tokens); // [B, T, E]
        Tensor hidden = linear(embedded, "encoder", parameters); // [B, T, H]
        Tensor logits = linear(hidden, "decoder", parameters); // [B, T, V]
        NamedTensors outputs = NamedTensors.of(NamedTensors.LOGITS, logits);
        return context.argument("return_hidden", Boolean.class, false)
                ? outputs.with(NamedTensors.HIDDEN, hidden)
                : outputs;
    }

    private static Tensor linear(Tensor x, String name, Function<String, Tensor> parameters) {
        Tensor bias = parameters.apply(name + ".bias");
        return torch.linear(x, parameters.apply(name + ".weight"), new TensorOptional(bias));
    }

    @Override
    public Config config() {
        return ConfigFactory.parseMap(
                Map.of(VOCABULARY, vocabulary, EMBEDDING_WIDTH, embeddingWidth, HIDDEN_WIDTH, hiddenWidth));
    }
}
