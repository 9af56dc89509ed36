// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Set;

/** Rows that are trained as they are: {@code text}, {@code prompt} and {@code completion}, or {@code input_ids}. */
final class PlainRow {
    static final Set<String> TEXT = Set.of("text");
    static final Set<String> PAIR = Set.of("prompt", "completion");

    private static final String RIGHT =
            "must be {\"text\": …}, {\"prompt\": …, \"completion\": …} or {\"messages\": […]}";

    private PlainRow() {}

    static Example text(RowJson json) throws MalformedRowException {
        String text = json.required("text");
        if (text.isEmpty()) {
            throw new MalformedRowException("field text is empty; must hold something to train on");
        }
        return new Example.Text(text, true);
    }

    static Example.Pair pair(RowJson json) throws MalformedRowException {
        return pair(json.required("prompt"), json.required("completion"));
    }

    static Example.Pair pair(String prompt, String completion) throws MalformedRowException {
        if (prompt.isEmpty() && completion.isEmpty()) {
            throw new MalformedRowException("fields prompt and completion are empty; one must hold something");
        }
        return new Example.Pair(prompt, completion);
    }

    static Example ids(JsonNode ids) throws MalformedRowException {
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

    /** What a row is that may be either. */
    static Example textOrPair(RowJson json) throws MalformedRowException {
        boolean text = json.has("text");
        boolean prompt = json.has("prompt");
        boolean completion = json.has("completion");
        if (text && !prompt && !completion) {
            return text(json);
        } else if (!text && prompt && completion) {
            return pair(json);
        } else if (text) {
            throw new MalformedRowException("the row has text and prompt or completion; " + RIGHT);
        }
        throw new MalformedRowException(
                prompt
                        ? "the row has prompt but no completion; " + RIGHT
                        : "the row has completion but no prompt; " + RIGHT);
    }
}
