// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.util.Map;
import java.util.Set;

/** A row as ShareGPT has them: turns with {@code from} and {@code value}, which become messages. */
final class ShareGptRow {
    static final Set<String> TEXTS = Set.of("system", "tools");
    static final Set<String> TREES = Set.of("conversations", "system", "tools");

    /** Who speaks, and the role that the message then has. */
    private static final Map<String, String> ROLES = Map.ofEntries(
            Map.entry("human", "user"),
            Map.entry("user", "user"),
            Map.entry("gpt", "assistant"),
            Map.entry("chatgpt", "assistant"),
            Map.entry("model", "assistant"),
            Map.entry("assistant", "assistant"),
            Map.entry("system", "system"),
            Map.entry("tool", "tool"),
            Map.entry("function", "tool"),
            Map.entry("observation", "tool"));

    private static final String RIGHT = "must be a list of {\"from\": …, \"value\": …}";

    private ShareGptRow() {}

    static Example of(RowJson row) throws MalformedRowException {
        JsonNode turns = row.tree("conversations");
        if (turns == null) {
            throw row.missing("conversations");
        } else if (!turns.isArray() || turns.isEmpty()) {
            String kind = turns.isArray() ? "empty" : RowJson.kind(turns);
            throw new MalformedRowException("field conversations is %s; %s".formatted(kind, RIGHT));
        }
        ArrayNode messages = JsonNodeFactory.instance.arrayNode(turns.size() + 1);
        String system = optional(row, "system");
        if (!system.isEmpty()) {
            messages.add(message("system", system));
        }
        for (int i = 0; i < turns.size(); i++) {
            messages.add(message(i, turns.get(i)));
        }
        return Messages.chat(messages, Messages.tools(row));
    }

    /** Some have a null where nothing is said. */
    private static String optional(RowJson row, String field) throws MalformedRowException {
        JsonNode tree = row.tree(field);
        boolean absent = row.text(field) == null && (tree == null || tree.isNull());
        return absent ? "" : row.required(field);
    }

    private static JsonNode message(int turn, JsonNode said) throws MalformedRowException {
        JsonNode from = said.path("from");
        JsonNode value = said.path("value");
        if (!from.isTextual() || !value.isTextual()) {
            throw new MalformedRowException(
                    "conversations[%d] has no from and value that are texts; %s".formatted(turn, RIGHT));
        }
        String role = ROLES.get(from.textValue());
        if (role == null) {
            throw new MalformedRowException("conversations[%d].from is \"%s\"; must be one of %s"
                    .formatted(
                            turn,
                            from.textValue(),
                            String.join(", ", ROLES.keySet().stream().sorted().toList())));
        }
        return message(role, value.textValue());
    }

    private static JsonNode message(String role, String content) {
        return JsonNodeFactory.instance.objectNode().put("role", role).put("content", content);
    }
}
