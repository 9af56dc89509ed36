// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.decoder;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ModelFolder;
import org.chorale.model.layer.Parameter;
import org.chorale.model.layer.Recompute;
import org.chorale.model.layer.RecomputePlan;
import org.chorale.model.layer.Units;
import org.chorale.model.outline.UnitOutline.ParameterOutline;
import org.chorale.tensor.HostTensors;
import org.jspecify.annotations.Nullable;

/** A model folder's parameters in memory, in any dtype; the open scope owns them. */
public final class TinyLlama {
    private static final String CONFIG = """
            {"model_type": "llama", "vocab_size": 29, "hidden_size": 24, "intermediate_size": 40,
             "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
             "max_position_embeddings": 512, "attention_bias": true, "mlp_bias": true, "initializer_range": 0.3}
            """;

    private final ModelFolder folder;
    private final Map<String, Parameter> parameters = new LinkedHashMap<>();

    private TinyLlama(ModelFolder folder, ScalarType type) {
        this.folder = folder;
        ScalarType gradientType = type == ScalarType.Double ? type : ScalarType.Float;
        folder.units().stream()
                .flatMap(unit -> unit.parameters().stream())
                .forEach(outline -> parameters.put(outline.name(), parameter(outline, type, gradientType)));
    }

    private TinyLlama(ModelFolder folder, TinyLlama values) {
        this.folder = folder;
        folder.units().stream()
                .flatMap(unit -> unit.parameters().stream())
                .forEach(outline -> parameters.put(outline.name(), values.parameter(outline)));
    }

    private Parameter parameter(ParameterOutline outline) {
        Tensor value = Objects.requireNonNull(parameters.get(outline.name())).value();
        return new Parameter(outline.name(), value, outline.trainable() ? torch.zeros_like(value) : null);
    }

    /** Grouped heads, biases, an untied head, 29 tokens, 512 positions. */
    public static ModelFolder folder(Path directory) {
        return folder(directory, CONFIG);
    }

    /** With rotary positions that are stretched as in Llama 3. */
    public static ModelFolder scaledFolder(Path directory) {
        String rope = """
                , "rope_parameters": {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0,
                 "high_freq_factor": 4.0, "original_max_position_embeddings": 64}}""";
        return folder(directory, CONFIG.strip().replaceAll("}$", "") + rope);
    }

    /** Of any configuration with 29 tokens. */
    static ModelFolder folder(Path directory, String config) {
        try {
            Files.writeString(directory.resolve("config.json"), config);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return ModelFolder.random(directory, 5);
    }

    /** The first values rounded to bf16, so that every dtype holds the same ones. */
    public static TinyLlama load(ModelFolder folder, ScalarType type) {
        return new TinyLlama(folder, type);
    }

    /** The same values, with gradients for what the folder's model trains. */
    TinyLlama frozenAs(ModelFolder other) {
        return new TinyLlama(other, this);
    }

    public Map<String, Parameter> parameters() {
        return parameters;
    }

    public Decoder model(Recompute recompute) {
        return model(Units.ALWAYS_OPEN, recompute);
    }

    /** The model, which tells of its use. */
    Decoder model(Units units, Recompute recompute) {
        Decoder model = folder.model(name -> Objects.requireNonNull(parameters.get(name), name), units);
        model.recompute(RecomputePlan.every(recompute));
        return model;
    }

    /** The same values as leaves of autograd, in any dtype. */
    public Map<String, Tensor> leaves(ScalarType type) {
        Map<String, Tensor> leaves = new LinkedHashMap<>();
        parameters.forEach((name, parameter) -> {
            Tensor leaf = parameter.value().to(type).clone();
            leaf.set_requires_grad(true);
            leaves.put(name, leaf);
        });
        return leaves;
    }

    /** The gradient of a parameter that is trained. */
    public Tensor gradient(String name) {
        return Objects.requireNonNull(
                Objects.requireNonNull(parameters.get(name), name).gradient(), name);
    }

    private Parameter parameter(ParameterOutline outline, ScalarType type, ScalarType gradientType) {
        long[] shape = outline.shape().stream().mapToLong(Long::longValue).toArray();
        Tensor value = HostTensors.zeros(ScalarType.Float, shape);
        folder.copyInto(outline.name(), 0, outline.elements(), value.view(-1L));
        if (outline.name().contains("lora_B") || outline.name().endsWith(".bias")) {
            value.normal_(0, 0.3, new GeneratorOptional()); // zeros would hide mistakes
        }
        @Nullable Tensor gradient = outline.trainable() ? HostTensors.zeros(gradientType, shape) : null;
        return new Parameter(outline.name(), value.to(ScalarType.BFloat16).to(type), gradient);
    }
}
