// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.example;

/**
 * An example as token ids.
 *
 * @param tokens as many as fit into a sequence
 * @param untrained tokens at the beginning that no loss counts, a prompt's
 * @param tokensCut tokens at the end that did not fit; at least so many, as not all of a very long text is tokenized
 */
@SuppressWarnings("ArrayRecordComponent") // made for one micro-batch, never compared
public record TokenizedExample(long[] tokens, int untrained, int tokensCut) {
    /** Whether a token is left that is predicted and counted; a sequence's first token is never predicted. */
    public boolean trains() {
        return tokens.length > Math.max(1, untrained);
    }
}
