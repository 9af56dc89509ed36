// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.family;

import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.chorale.model.decoder.DecoderConfig;
import org.chorale.model.outline.ConfigJson;
import org.chorale.model.outline.InvalidModelException;
import org.chorale.model.outline.InvalidModelException.Reason;

/** The families that there are, by Hugging Face's model_type. */
public final class Families {
    private static final Map<String, Family> FAMILIES = new TreeMap<>(Map.ofEntries(
            Map.entry("llama", new Llama()),
            Map.entry("mistral", new Mistral()),
            Map.entry("mixtral", new Mixtral()),
            Map.entry("qwen2", new Qwen2()),
            Map.entry("qwen3", new Qwen3()),
            Map.entry("qwen3_moe", new Qwen3Moe()),
            Map.entry("gpt_neox", new GptNeox()),
            Map.entry("gemma2", new Gemma2()),
            Map.entry("gemma3_text", new Gemma3()),
            Map.entry("phi3", new Phi3()),
            Map.entry("olmo2", new Olmo2())));

    private Families() {}

    /** Their names, in the order of the alphabet. */
    public static Set<String> names() {
        return FAMILIES.keySet();
    }

    /**
     * Reads and checks a configuration.
     *
     * @throws InvalidModelException where the family is not known, or with every problem of the configuration, a line each
     */
    public static DecoderConfig read(ConfigJson json) {
        String name = json.text("model_type", "");
        Family family = FAMILIES.get(name);
        if (family == null) {
            String named = name.isEmpty() ? "model_type is missing" : "model_type = " + name;
            throw new InvalidModelException(
                    Reason.UNSUPPORTED, json.file(), named + ": supported are " + String.join(", ", names()));
        }
        DecoderConfig config = family.read(json);
        json.throwProblems(Reason.MISMATCH);
        if (json.has("quantization_config")) {
            json.unsupported("quantization_config: quantised weights are not supported");
        }
        json.throwUnsupported();
        return config;
    }
}
