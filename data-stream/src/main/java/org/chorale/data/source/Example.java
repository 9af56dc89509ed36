// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

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
}
