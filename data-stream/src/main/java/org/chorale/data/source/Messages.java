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

    /** Fields of a row of a source that may be texts. */
    static final Set<String> TEXTS = Set.of("tools");

    private static final String RIGHT = "must be a list of {\"role\": …, \"content\": …}";

    private Messages() {}

    static Example.Chat of(RowJson row) throws MalformedRowException {
        JsonNode messages = row.tree("messages");
        if (messages == null) {
            throw row.missing("messages");
        }
        return chat(messages, tools(row));
    }

    /** A conversation and the tools that it may use. */
    public static Example.Chat chat(JsonNode messages, @Nullable JsonNode tools) throws MalformedRowException {
        check("messages", messages);
        return new Example.Chat(messages, tools(tools));
    }

    /** Refuses what is no list of messages. */
    static void check(String field, JsonNode messages) throws MalformedRowException {
        if (!messages.isArray()) {
            throw new MalformedRowException("field %s is %s; %s".formatted(field, RowJson.kind(messages), RIGHT));
        } else if (messages.isEmpty()) {
            throw new MalformedRowException("field %s is empty; %s".formatted(field, RIGHT));
        }
        for (int i = 0; i < messages.size(); i++) {
            JsonNode message = messages.get(i);
            if (!message.isObject()) {
                throw new MalformedRowException("%s[%d] is %s; %s".formatted(field, i, RowJson.kind(message), RIGHT));
            } else if (!message.path("role").isTextual()) {
                throw new MalformedRowException("%s[%d] has no role that is a text; %s".formatted(field, i, RIGHT));
            }
        }
    }

    /** Tools of a row that may have them as JSON in a text, as tables do whose cells have one type. */
    static @Nullable JsonNode tools(RowJson row) throws MalformedRowException {
        String text = row.text("tools");
        return text == null ? tools(row.tree("tools")) : text.isBlank() ? null : tools(RowJson.tree("tools", text));
    }

    static @Nullable JsonNode tools(@Nullable JsonNode tools) throws MalformedRowException {
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
