// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.family;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;
import org.chorale.model.layer.Activation;
import org.chorale.model.outline.ConfigJson;
import org.jspecify.annotations.Nullable;

/** Keys of a config.json that several families read alike. */
final class Keys {
    private static final long MAX_WINDOW = 1L << 32;

    private static final Map<String, Activation> ACTIVATIONS = new TreeMap<>(Map.of(
            "silu", Activation.SILU,
            "swish", Activation.SILU,
            "gelu", Activation.GELU,
            "gelu_new", Activation.GELU_TANH,
            "gelu_fast", Activation.GELU_TANH,
            "gelu_pytorch_tanh", Activation.GELU_TANH));

    private Keys() {}

    /** What the key names. */
    static Activation activation(ConfigJson json, String key, String otherwise) {
        String name = json.text(key, otherwise);
        Activation activation = ACTIVATIONS.get(name);
        if (activation == null) {
            json.unsupported("%s = %s: supported are %s".formatted(key, name, String.join(", ", ACTIVATIONS.keySet())));
            return Activation.SILU;
        }
        return activation;
    }

    /** Refuses dropout, which no layer of these models has but adapters. */
    static void refuseDropout(ConfigJson json, String... keys) {
        for (String key : keys) {
            if (json.root().path(key).asDouble(0) != 0) {
                json.unsupported("%s = %s: only 0 is supported"
                        .formatted(key, json.root().path(key)));
            }
        }
    }

    /**
     * The window of a layer that has one.
     *
     * @param otherwise where the key is left out, which is not null; 0 for none
     */
    static @Nullable Long window(ConfigJson json, long otherwise) {
        if (json.root().has("sliding_window") && !json.has("sliding_window")) {
            return null;
        }
        long window = json.has("sliding_window") ? json.count("sliding_window", MAX_WINDOW) : otherwise;
        return window == 0 ? null : window;
    }

    /**
     * The window of each layer, as {@code layer_types} says.
     *
     * @param window of those that have one; null where none has
     * @param slides which have one where the key is left out
     */
    static List<@Nullable Long> windows(ConfigJson json, int layers, @Nullable Long window, IntPredicate slides) {
        JsonNode types = json.root().path("layer_types");
        List<@Nullable Long> windows = new ArrayList<>();
        if (!json.has("layer_types")) {
            IntStream.range(0, layers).forEach(layer -> windows.add(slides.test(layer) ? window : null));
            return windows;
        }
        if (!types.isArray() || types.size() != layers) {
            json.problem("layer_types: must be a list of %d types, one for each layer".formatted(layers));
            return Collections.nCopies(layers, null);
        }
        for (JsonNode type : types) {
            boolean sliding = type.asText().equals("sliding_attention");
            if (!sliding && !type.asText().equals("full_attention")) {
                json.unsupported("layer_types: %s: supported are full_attention and sliding_attention".formatted(type));
            }
            if (sliding && window == null) {
                json.problem("layer_types: sliding_attention needs sliding_window, which is not given");
            }
            windows.add(sliding ? window : null);
        }
        return windows;
    }
}
