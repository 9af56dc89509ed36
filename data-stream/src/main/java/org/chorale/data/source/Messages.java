// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What has to be right about a conversation before a template sees it; the rest is the template's to judge. */
public final class Messages {
    /** Fields of a row that {@link RowJson} reads as trees. */
    public static final Set<String> FIELDS = Set.of("messages", "tools");

    private static final String RIGHT = "must be a list of {\"role\": …, \"content\": …}";

    private Messages() {}

    /** A conversation and the tools that it may use. */
    public static Example.Chat chat(JsonNode messages, @Nullable JsonNode tools) throws MalformedRowException {
        if (!messages.isArray()) {
            throw new MalformedRowException("field messages is %s; %s".formatted(RowJson.kind(messages), RIGHT));
        } else if (messages.isEmpty()) {
            throw new MalformedRowException("field messages is empty; " + RIGHT);
        }
        for (int i = 0; i < messages.size(); i++) {
            JsonNode message = messages.get(i);
            if (!message.isObject()) {
                throw new MalformedRowException("messages[%d] is %s; %s".formatted(i, RowJson.kind(message), RIGHT));
            } else if (!message.path("role").isTextual()) {
                throw new MalformedRowException("messages[%d] has no role that is a text; %s".formatted(i, RIGHT));
            }
        }
        return new Example.Chat(messages, tools(tools));
    }

    private static @Nullable JsonNode tools(@Nullable JsonNode tools) throws MalformedRowException {
        if (tools == null || tools.isNull()) {
            return null;
        } else if (!tools.isArray()) {
            throw new MalformedRowException("field tools is %s; must be a list".formatted(RowJson.kind(tools)));
        }
        return tools;
    }

    /** Whether an assistant says anything in it. */
    public static boolean hasAssistant(JsonNode messages) {
        for (JsonNode message : messages) {
            if (message.path("role").asText().equals("assistant")) {
                return true;
            }
        }
        return false;
    }
}
