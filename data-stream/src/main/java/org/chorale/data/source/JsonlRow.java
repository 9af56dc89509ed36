// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.ByteBuffer;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Reads a row of a {@code .jsonl} file: an object with {@code text}, with {@code prompt} and {@code completion}, with
 * {@code messages} and perhaps {@code tools}, or with {@code input_ids}; further fields are passed over.
 */
final class JsonlRow {
    private static final Set<String> TEXTS = Set.of("text", "prompt", "completion");
    private static final String RIGHT =
            "must be {\"text\": …}, {\"prompt\": …, \"completion\": …} or {\"messages\": […]}";

    private static final String IDS = "input_ids";
    private static final Set<String> TREES =
            Stream.concat(Messages.FIELDS.stream(), Stream.of(IDS)).collect(Collectors.toUnmodifiableSet());

    private JsonlRow() {}

    /** The example in a row, without its line end. */
    static Example parse(ByteBuffer row) throws MalformedRowException {
        RowJson json = RowJson.parse(row, TEXTS, TREES);
        JsonNode ids = json.tree(IDS);
        JsonNode messages = json.tree("messages");
        if (ids != null && messages == null && json.texts().isEmpty()) { // beside a text they are passed over
            return ids(ids);
        }
        if (messages == null) {
            return textOrPair(json);
        } else if (json.text("text") != null || json.text("completion") != null) { // a prompt alone is passed over
            throw new MalformedRowException("the row has messages and %s; leave out what is not to be trained"
                    .formatted(json.text("text") != null ? "text" : "completion"));
        }
        return Messages.chat(messages, json.tree("tools"));
    }

    private static Example ids(JsonNode ids) throws MalformedRowException {
        long[] tokens = new long[ids.size()];
        for (int i = 0; i < tokens.length; i++) {
            JsonNode id = ids.get(i);
            if (!id.isIntegralNumber() || !id.canConvertToInt() || id.intValue() < 0) {
                throw new MalformedRowException(
                        "element %d of input_ids is no token id; must be a whole number from 0 to %d"
                                .formatted(i, Integer.MAX_VALUE));
            }
            tokens[i] = id.intValue();
        }
        if (tokens.length == 0) {
            throw new MalformedRowException("field input_ids is no list of token ids, or is empty");
        }
        return new Example.Ids(tokens);
    }

    private static Example textOrPair(RowJson json) throws MalformedRowException {
        String text = json.text("text");
        String prompt = json.text("prompt");
        String completion = json.text("completion");
        if (text != null && prompt == null && completion == null) {
            if (text.isEmpty()) {
                throw new MalformedRowException("field text is empty; must hold something to train on");
            }
            return new Example.Text(text, true);
        } else if (text == null && prompt != null && completion != null) {
            if (prompt.isEmpty() && completion.isEmpty()) {
                throw new MalformedRowException("fields prompt and completion are empty; one must hold something");
            }
            return new Example.Pair(prompt, completion);
        } else if (text != null) {
            throw new MalformedRowException("the row has text and prompt or completion; " + RIGHT);
        } else if (prompt != null) {
            throw new MalformedRowException("the row has prompt but no completion; " + RIGHT);
        } else if (completion != null) {
            throw new MalformedRowException("the row has completion but no prompt; " + RIGHT);
        }
        throw new MalformedRowException("the row has neither text, prompt and completion, nor messages; " + RIGHT);
    }
}
