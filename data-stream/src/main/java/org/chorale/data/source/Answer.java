// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A prompt or an answer of a judged row.
 *
 * @param text what is said; null where it is messages
 * @param messages none where it is a text
 */
record Answer(@Nullable String text, List<JsonNode> messages) {
    Answer {
        messages = List.copyOf(messages);
    }

    static Answer read(RowJson row, String field) throws MalformedRowException {
        JsonNode tree = row.tree(field);
        if (tree == null || !tree.isArray()) {
            return new Answer(row.required(field), List.of());
        }
        Messages.check(field, tree);
        List<JsonNode> messages = new ArrayList<>();
        tree.forEach(messages::add);
        return new Answer(null, messages);
    }

    boolean isText() {
        return text != null;
    }

    String kind() {
        return isText() ? "a text" : "messages";
    }

    /**
     * What two answers begin with, in characters or messages. A blank before the place where texts part belongs to the
     * answers, as in TRL; a pair of surrogates is not parted.
     */
    int commonStart(Answer other) {
        if (text == null || other.text == null) {
            int common = 0;
            while (common < Math.min(messages.size(), other.messages.size())
                    && messages.get(common).equals(other.messages.get(common))) {
                common++;
            }
            return common;
        }
        int common = 0;
        while (common < Math.min(text.length(), other.text.length())
                && text.charAt(common) == other.text.charAt(common)) {
            common++;
        }
        if (common > 0 && (text.charAt(common - 1) == ' ' || Character.isHighSurrogate(text.charAt(common - 1)))) {
            common--;
        }
        return common;
    }

    Answer until(int end) {
        return text != null
                ? new Answer(text.substring(0, end), List.of())
                : new Answer(null, messages.subList(0, end));
    }

    Answer from(int begin) {
        return text != null
                ? new Answer(text.substring(begin), List.of())
                : new Answer(null, messages.subList(begin, messages.size()));
    }

    /** This prompt with an answer to it. */
    Example.Answered answered(Answer answer, String field, RowJson row) throws MalformedRowException {
        if (text != null && answer.text != null) {
            if (answer.text.isEmpty()) {
                throw new MalformedRowException(
                        "field %s says nothing after the prompt; must be an answer".formatted(field));
            }
            return new Example.Pair(text, answer.text);
        } else if (answer.messages.isEmpty()) {
            throw new MalformedRowException(
                    "field %s has no message after the prompt; must be an answer".formatted(field));
        }
        ArrayNode all = JsonNodeFactory.instance.arrayNode(messages.size() + answer.messages.size());
        all.addAll(messages).addAll(answer.messages);
        return new Example.Reply(all, messages.size(), Messages.tools(row));
    }
}
