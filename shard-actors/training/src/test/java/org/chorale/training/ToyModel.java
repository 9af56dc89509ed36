// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.layer.Parameter;
import org.chorale.training.pipeline.AutogradModel;
import org.chorale.training.pipeline.Context;
import org.chorale.training.pipeline.LearnableParameter;
import org.chorale.training.pipeline.LearnableParameter.FirstValue;
import org.chorale.training.pipeline.NamedTensors;

/** Embedding, tanh, decoder: tokens [B, T] to logits [B, T, V], hidden [B, T, H] and prediction [B, T]. */
final class ToyModel implements AutogradModel {
    static final long VOCABULARY = 11;
    private static final long WIDTH = 5;
    private static final long HIDDEN = 7;

    @Override
    public String contract() {
        return "batch:2:i64 -> logits:3:f, hidden:3:f, prediction:2:f";
    }

    @Override
    public List<LearnableParameter> parameters() {
        return List.of(
                LearnableParameter.of("embedding", FirstValue.normal(1), VOCABULARY, WIDTH),
                LearnableParameter.of("encoder.weight", FirstValue.normal(0.5), HIDDEN, WIDTH),
                LearnableParameter.of("encoder.bias", FirstValue.constant(0), HIDDEN),
                LearnableParameter.of("decoder", FirstValue.normal(0.5), VOCABULARY, HIDDEN));
    }

    @Override
    public NamedTensors forward(NamedTensors inputs, Context context, Function<String, Tensor> parameters) {
        Tensor embedded = torch.embedding(parameters.apply("embedding"), inputs.get(NamedTensors.BATCH));
        Tensor hidden = embedded.matmul(parameters.apply("encoder.weight").t())
                .add(parameters.apply("encoder.bias"))
                .tanh();
        return NamedTensors.of(
                        "logits", hidden.matmul(parameters.apply("decoder").t()))
                .with("hidden", hidden)
                .with("prediction", hidden.sum(-1L));
    }

    /** Parameters outside any shard, in fp64; they belong to the innermost open scope. */
    static Map<String, Parameter> inDoubles(List<LearnableParameter> declared, String prefix) {
        Map<String, Parameter> parameters = new LinkedHashMap<>();
        for (LearnableParameter parameter : declared) {
            long[] shape = parameter.shape().stream().mapToLong(Long::longValue).toArray();
            Tensor value = torch.zeros(shape, new TensorOptions(ScalarType.Double));
            parameter.draw(3, value);
            String name = prefix + parameter.name();
            parameters.put(name, new Parameter(name, value, torch.zeros_like(value)));
        }
        return parameters;
    }
}
