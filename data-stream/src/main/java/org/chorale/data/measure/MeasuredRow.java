// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.measure;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.chorale.data.example.ExampleEncoder;
import org.chorale.data.example.TokenizedExample;
import org.chorale.data.example.UnusableExampleException;
import org.chorale.data.source.Example;
import org.chorale.proto.batch.Batch;

/**
 * What becomes of a row.
 *
 * @param pieces the examples that it makes
 * @param split whether it was too long for one
 */
record MeasuredRow(List<Piece> pieces, boolean split) {
    /**
     * An example.
     *
     * @param stored the piece of a split row, see {@link StoredTokens}; empty where the row is tokenized again instead
     */
    @SuppressWarnings("ArrayRecordComponent") // made for one reader, never compared
    record Piece(int tokens, int trainedTokens, long tokensCut, int[] stored) {
        /** Of two sequences, the longer counts. */
        static Piece of(TokenizedExample example) {
            TokenizedExample row = example.longest();
            int trained = example.isTrained() ? row.trainedTokens() : 0;
            return new Piece(row.tokens().length, trained, row.tokensCut(), new int[0]);
        }
    }

    /** @throws UnusableExampleException where the row cannot be used */
    static MeasuredRow of(Example example, ExampleEncoder encoder, Truncation truncation, int sequenceTokens) {
        if (truncation == Truncation.CUT) {
            return new MeasuredRow(List.of(Piece.of(encoder.encode(example))), false);
        }
        TokenizedExample whole = encoder.encodeWhole(example);
        int tokens = whole.longest().tokens().length;
        if (tokens <= sequenceTokens) {
            return new MeasuredRow(List.of(Piece.of(whole)), false);
        } else if (truncation == Truncation.ERROR) {
            throw new UnusableExampleException(
                    "the row has %d tokens; data.sequence-tokens = %d, and data.truncation = error cuts nothing"
                            .formatted(tokens, sequenceTokens));
        }
        return new MeasuredRow(pieces(whole, sequenceTokens), true);
    }

    /** Neighbours share a token, the label of which counts in the first: so every label is predicted once. */
    private static List<Piece> pieces(TokenizedExample whole, int sequenceTokens) {
        List<Piece> pieces = new ArrayList<>();
        int tokens = whole.tokens().length;
        for (int from = 0; from < tokens - 1; from += sequenceTokens - 1) {
            int until = Math.min(from + sequenceTokens, tokens);
            long[] labels = Arrays.copyOfRange(whole.labels(), from, until);
            labels[0] = from == 0 ? labels[0] : Batch.IGNORED;
            TokenizedExample piece = new TokenizedExample(Arrays.copyOfRange(whole.tokens(), from, until), labels, 0);
            if (piece.trainedTokens() > 0) {
                pieces.add(new Piece(until - from, piece.trainedTokens(), 0, StoredTokens.encode(piece)));
            }
        }
        return pieces;
    }
}
