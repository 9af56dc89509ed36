// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.chorale.data.template.limit.TemplateException;
import org.jspecify.annotations.Nullable;

/** Stand-in that renders ChatML whatever it is given. */
public final class ChatTemplate {
    /** Stand-in. */
    public static ChatTemplate load(Path tokenizerFolder, Optional<Path> templateFile) {
        return new ChatTemplate();
    }

    /** Stand-in. */
    public ChatTemplate at(Clock clock) {
        return this;
    }

    /** Stand-in. */
    public RenderedChat render(JsonNode messages, @Nullable JsonNode tools, boolean addGenerationPrompt) {
        RenderedChat chat = renderForTraining(messages, tools);
        return addGenerationPrompt ? new RenderedChat(chat.text() + "<|im_start|>assistant\n", chat.trained()) : chat;
    }

    /** Stand-in. */
    public RenderedChat renderForTraining(JsonNode messages, @Nullable JsonNode tools) {
        StringBuilder text = new StringBuilder();
        List<Span> spans = new ArrayList<>();
        for (JsonNode message : messages) {
            String role = message.path("role").asText();
            if (role.equals("bad")) {
                throw new TemplateException("Unknown role bad");
            }
            text.append("<|im_start|>").append(role).append("\n");
            int from = text.length();
            text.append(message.path("content").asText()).append("<|im_end|>");
            if (role.equals("assistant")) {
                spans.add(new Span(from, text.length()));
            }
            text.append("\n");
        }
        return new RenderedChat(text.toString(), spans);
    }
}
