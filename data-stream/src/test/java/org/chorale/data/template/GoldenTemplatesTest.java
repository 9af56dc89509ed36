// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.StreamSupport;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.template.limit.TemplateLimits;
import org.chorale.data.tokenizer.Tokenizers;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class GoldenTemplatesTest {
    private static final JsonNode GOLDEN = Resources.read("golden.json");

    static List<JsonNode> cases() {
        return StreamSupport.stream(GOLDEN.get("cases").spliterator(), false).toList();
    }

    @ParameterizedTest
    @MethodSource("cases")
    void everyGoldenIsEqualErrorsIncluded(JsonNode golden) {
        SpecialTokens tokens = new SpecialTokens(Map.of(
                "bos_token", GOLDEN.get("bos_token").textValue(),
                "eos_token", GOLDEN.get("eos_token").textValue()));
        String source =
                GOLDEN.get("templates").get(golden.get("template").textValue()).textValue();
        assertGolden(golden, ChatTemplate.parse(source, tokens, TemplateLimits.DEFAULT));
    }

    /** The tokenizers' own templates are two of these, with special tokens of their own. */
    @Test
    void theTokenizersFoldersRenderTheSame() {
        String llama = "llama3";
        for (JsonNode golden : cases()) {
            if (golden.get("template").textValue().equals(llama)) {
                assertGolden(golden, ChatTemplate.load(Tokenizers.byteLevel(), Optional.empty()));
            }
        }
        assertThat(ChatTemplate.load(Tokenizers.metaspace(), Optional.empty())
                        .render(
                                Resources.json(
                                        "[{'role': 'user', 'content': 'a'}, {'role': 'assistant', 'content': 'b'}]"),
                                null,
                                true)
                        .text())
                .isEqualTo("<s>[INST] a [/INST]b</s>");
    }

    private static void assertGolden(JsonNode golden, ChatTemplate template) {
        JsonNode tools = golden.get("tools").isNull() ? null : golden.get("tools");
        boolean prompt = golden.get("add_generation_prompt").booleanValue();
        if (golden.has("error")) {
            assertThatThrownBy(() -> template.render(golden.get("messages"), tools, prompt))
                    .isInstanceOfSatisfying(
                            TemplateException.class, e -> assertThat(e.kind()).isEqualTo(TemplateException.Kind.RAISED))
                    .hasMessage(golden.get("error").textValue());
        } else {
            assertThat(template.render(golden.get("messages"), tools, prompt).text())
                    .isEqualTo(golden.get("rendered").textValue());
        }
    }
}
