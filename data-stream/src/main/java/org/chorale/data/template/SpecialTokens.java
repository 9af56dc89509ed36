// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The tokenizer's special tokens, which a template knows as variables.
 *
 * @param byName such as {@code bos_token}
 */
public record SpecialTokens(Map<String, String> byName) {
    /** What Transformers gives to a template, where the tokenizer has it. */
    private static final List<String> NAMES =
            List.of("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token");

    public SpecialTokens {
        byName = Map.copyOf(byName);
    }

    public static SpecialTokens none() {
        return new SpecialTokens(Map.of());
    }

    /** Those of a {@code tokenizer_config.json}: a text each, or an object with {@code content}. */
    static SpecialTokens of(JsonNode settings) {
        Map<String, String> tokens = new LinkedHashMap<>();
        NAMES.forEach(name -> add(name, settings.path(name), tokens));
        settings.path("extra_special_tokens")
                .properties()
                .forEach(extra -> add(extra.getKey(), extra.getValue(), tokens));
        return new SpecialTokens(tokens);
    }

    private static void add(String name, JsonNode token, Map<String, String> into) {
        JsonNode content = token.isObject() ? token.path("content") : token;
        if (content.isTextual()) {
            into.put(name, content.textValue());
        }
    }
}
