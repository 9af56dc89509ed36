// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.example;

import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.chorale.proto.batch.Batch;
import org.chorale.proto.batch.SequenceRole;
import org.jspecify.annotations.Nullable;

/**
 * An example as a model sees it.
 *
 * @param tokens ids, at most as many as a sequence holds
 * @param labels of each token its own id where it is trained, and {@link Batch#IGNORED} elsewhere
 * @param tokensCut how many did not fit, at least
 * @param numbers of an example that is numbers and no text; it has no tokens
 * @param role in a preference; null where the example is a sequence of its own
 * @param other what stands beside it: the rejected answer, or the mismatched one; null where there is none
 */
@SuppressWarnings("ArrayRecordComponent") // made for one reader, never compared
public record TokenizedExample(
        long[] tokens,
        long[] labels,
        long tokensCut,
        float[] numbers,
        @Nullable SequenceRole role,
        @Nullable TokenizedExample other) {
    private static final float[] NO_NUMBERS = {};

    /** A sequence of its own. */
    public TokenizedExample(long[] tokens, long[] labels, long tokensCut) {
        this(tokens, labels, tokensCut, NO_NUMBERS, null, null);
    }

    static TokenizedExample ofNumbers(float[] numbers) {
        return new TokenizedExample(new long[0], new long[0], 0, numbers, null, null);
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

    /** The beginning that fits into a sequence, of what stands beside it too. */
    TokenizedExample cut(int sequenceTokens) {
        int kept = Math.min(tokens.length, sequenceTokens);
        return new TokenizedExample(
                Arrays.copyOf(tokens, kept),
                Arrays.copyOf(labels, kept),
                tokensCut + tokens.length - kept,
                numbers,
                role,
                other == null ? null : other.cut(sequenceTokens));
    }

    TokenizedExample as(SequenceRole given) {
        return new TokenizedExample(tokens, labels, tokensCut, numbers, given, other);
    }

    TokenizedExample beside(TokenizedExample second) {
        return new TokenizedExample(tokens, labels, tokensCut, numbers, role, second);
    }

    /** Its sequences: one, or two that stay together. */
    public List<TokenizedExample> sequences() {
        return other == null ? List.of(this) : List.of(this, other);
    }

    /** The longer of its sequences: what it takes of a batch's width. */
    public TokenizedExample longest() {
        return other == null || tokens.length >= other.tokens.length ? this : other;
    }

    /** Whether something of each of its sequences is trained. */
    public boolean isTrained() {
        return trainedTokens() > 0 && (other == null || other.trainedTokens() > 0);
    }

    /** With another's answer to its own prompt beside it, cut to what a sequence holds. */
    public TokenizedExample mismatchedWith(TokenizedExample another, int sequenceTokens) {
        int prompt = promptTokens();
        int from = another.promptTokens();
        int answer = Math.max(0, Math.min(another.tokens.length - from, sequenceTokens - prompt));
        long[] mixed = Arrays.copyOf(tokens, prompt + answer);
        System.arraycopy(another.tokens, from, mixed, prompt, answer);
        long[] counted = Arrays.copyOf(labels, prompt + answer);
        System.arraycopy(another.labels, from, counted, prompt, answer);
        return beside(new TokenizedExample(mixed, counted, 0, NO_NUMBERS, SequenceRole.MISMATCHED, null));
    }

    /** Tokens before the first that is trained. */
    private int promptTokens() {
        int prompt = 0;
        while (prompt < labels.length && labels[prompt] == Batch.IGNORED) {
            prompt++;
        }
        return prompt;
    }

    /** All of some examples, in order. */
    static Stream<TokenizedExample> sequences(List<TokenizedExample> examples) {
        return examples.stream().flatMap(example -> example.sequences().stream());
    }
}
