// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.request;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/** What a line is answered with. */
sealed interface Answer {
    /**
     * Tokens.
     *
     * @param text as it was tokenized
     * @param trained of each token, whether a loss counts it; null where the template does not let that be told
     */
    @SuppressWarnings("ArrayRecordComponent") // written once, never compared
    record Tokens(long[] ids, String text, boolean @Nullable [] trained) implements Answer {}

    /** Why there are none. */
    record Problem(String message) implements Answer {}

    /** Writes an object, without a line end. */
    default void write(JsonGenerator json) throws IOException {
        json.writeStartObject();
        if (this instanceof Tokens tokens) {
            json.writeFieldName("ids");
            json.writeArray(tokens.ids(), 0, tokens.ids().length);
            json.writeStringField("text", tokens.text());
            json.writeFieldName("trained");
            writeTrained(json, tokens.trained());
        } else if (this instanceof Problem problem) {
            json.writeStringField("error", problem.message());
        }
        json.writeEndObject();
    }

    private static void writeTrained(JsonGenerator json, boolean @Nullable [] trained) throws IOException {
        if (trained == null) {
            json.writeNull();
            return;
        }
        json.writeStartArray();
        for (boolean one : trained) {
            json.writeNumber(one ? 1 : 0);
        }
        json.writeEndArray();
    }
}
