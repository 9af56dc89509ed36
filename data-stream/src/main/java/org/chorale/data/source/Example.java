// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import com.fasterxml.jackson.databind.JsonNode;
import org.jspecify.annotations.Nullable;

/** What one example says, before it is tokenized. */
public sealed interface Example {
    /**
     * A text of which every token is trained.
     *
     * @param endsDocument false where the document goes on in the next example
     */
    record Text(String text, boolean endsDocument) implements Example {}

    /** A question and its answer, of which the answer is trained. */
    record Pair(String prompt, String completion) implements Example {}

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
}
