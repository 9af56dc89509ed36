// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import com.fasterxml.jackson.databind.JsonNode;
import org.jspecify.annotations.Nullable;

/** What one example says, before it is tokenized. */
public sealed interface Example {
    /** Whether a chat template makes a text of it, or of an answer in it. */
    default boolean needsTemplate() {
        if (this instanceof Preference preference) {
            return preference.chosen().needsTemplate();
        } else if (this instanceof Rated rated) {
            return rated.answer().needsTemplate();
        }
        return this instanceof Chat || this instanceof Reply;
    }

    /**
     * A text of which every token is trained.
     *
     * @param endsDocument false where the document goes on in the next example
     */
    record Text(String text, boolean endsDocument) implements Example {}

    /** A question and its answer, of which the answer is trained. */
    record Pair(String prompt, String completion) implements Answered {}

    /**
     * A conversation, of which a chat template makes a text.
     *
     * @param messages a list of objects that each have a {@code role}
     * @param tools a list; null where there are none
     */
    record Chat(JsonNode messages, @Nullable JsonNode tools) implements Example {}

    /** Token ids as they are, all of them trained. */
    @SuppressWarnings("ArrayRecordComponent") // read from a row, never compared
    record Ids(long[] tokens) implements Example {}

    /**
     * Numbers, in the place of text.
     *
     * @param values of all fields, one behind the other in the order of {@link NumberFields}
     */
    @SuppressWarnings("ArrayRecordComponent") // read from a row, never compared
    record Numbers(float[] values) implements Example {}

    /** What is said, and the answer to it, which alone is judged or trained. */
    sealed interface Answered extends Example {}

    /**
     * A conversation that ends with an answer.
     *
     * @param messages all of them, a list of objects that each have a {@code role}
     * @param promptMessages how many of the first messages are said before the answer; may be 0
     * @param tools a list; null where there are none
     */
    record Reply(
            JsonNode messages, int promptMessages, @Nullable JsonNode tools) implements Answered {}

    /** Two answers to one prompt, both {@link Pair}s or both {@link Reply}s: what DPO and ORPO learn from. */
    record Preference(Answered chosen, Answered rejected) implements Example {}

    /** An answer, and whether it is one that is wanted: what KTO learns from. */
    record Rated(Answered answer, boolean desirable) implements Example {}
}
