// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.example;

import java.util.Arrays;
import org.chorale.proto.batch.Batch;

/**
 * An example as a model sees it.
 *
 * @param tokens ids, at most as many as a sequence holds
 * @param labels of each token its own id where it is trained, and {@link Batch#IGNORED} elsewhere
 * @param tokensCut how many did not fit, at least
 * @param numbers of an example that is numbers and no text; it has no tokens
 */
@SuppressWarnings("ArrayRecordComponent") // made for one reader, never compared
public record TokenizedExample(long[] tokens, long[] labels, long tokensCut, float[] numbers) {
    /** An example of tokens. */
    public TokenizedExample(long[] tokens, long[] labels, long tokensCut) {
        this(tokens, labels, tokensCut, new float[0]);
    }

    static TokenizedExample ofNumbers(float[] numbers) {
        return new TokenizedExample(new long[0], new long[0], 0, numbers);
    }

    /** An example of which all but the first {@code untrained} tokens are trained. */
    static TokenizedExample trainedFrom(int untrained, long[] tokens, long tokensCut) {
        long[] labels = tokens.clone();
        Arrays.fill(labels, 0, Math.min(untrained, labels.length), Batch.IGNORED);
        return new TokenizedExample(tokens, labels, tokensCut);
    }

    /** Tokens that are predicted and counted; a sequence's first token is never predicted. */
    public int trainedTokens() {
        int trained = 0;
        for (int i = 1; i < labels.length; i++) {
            trained += labels[i] == Batch.IGNORED ? 0 : 1;
        }
        return trained;
    }

    /** The beginning that fits into a sequence. */
    TokenizedExample cut(int sequenceTokens) {
        int kept = Math.min(tokens.length, sequenceTokens);
        return new TokenizedExample(
                Arrays.copyOf(tokens, kept), Arrays.copyOf(labels, kept), tokensCut + tokens.length - kept);
    }
}
