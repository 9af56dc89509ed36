// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.measure;

import java.util.List;
import org.chorale.data.example.TokenizedExample;

/**
 * What a source amounts to once it is tokenized.
 *
 * @param rows that were tokenized
 * @param skipped rows that cannot be used and were left out
 * @param tokens of all examples, as they are trained
 * @param trainedTokens those that count in a loss
 * @param cutExamples examples whose end did not fit
 * @param tokensCut of those, at least
 * @param splitRows rows that go on in further examples
 * @param untrainedExamples examples without a trained token; pieces of a split row without one are left out
 * @param longest tokens of the longest example
 */
public record Totals(
        long rows,
        long skipped,
        long tokens,
        long trainedTokens,
        long cutExamples,
        long tokensCut,
        long splitRows,
        long untrainedExamples,
        int longest) {
    /** Of nothing. */
    public static final Totals NONE = new Totals(0, 0, 0, 0, 0, 0, 0, 0, 0);

    /** With an example more, of a row of its own. */
    public Totals plus(TokenizedExample example) {
        return plus(new MeasuredRow(List.of(MeasuredRow.Piece.of(example)), false));
    }

    /** Of both. */
    public Totals plus(Totals more) {
        return new Totals(
                rows + more.rows,
                skipped + more.skipped,
                tokens + more.tokens,
                trainedTokens + more.trainedTokens,
                cutExamples + more.cutExamples,
                tokensCut + more.tokensCut,
                splitRows + more.splitRows,
                untrainedExamples + more.untrainedExamples,
                Math.max(longest, more.longest));
    }

    Totals plusSkipped() {
        return new Totals(
                rows + 1,
                skipped + 1,
                tokens,
                trainedTokens,
                cutExamples,
                tokensCut,
                splitRows,
                untrainedExamples,
                longest);
    }

    Totals plus(MeasuredRow row) {
        Totals sum = this;
        for (MeasuredRow.Piece piece : row.pieces()) {
            sum = sum.plus(piece);
        }
        return new Totals(
                rows + 1,
                skipped,
                sum.tokens,
                sum.trainedTokens,
                sum.cutExamples,
                sum.tokensCut,
                splitRows + (row.split() ? 1 : 0),
                sum.untrainedExamples,
                sum.longest);
    }

    private Totals plus(MeasuredRow.Piece piece) {
        return new Totals(
                rows,
                skipped,
                tokens + piece.tokens(),
                trainedTokens + piece.trainedTokens(),
                cutExamples + (piece.tokensCut() > 0 ? 1 : 0),
                tokensCut + piece.tokensCut(),
                splitRows,
                untrainedExamples + (piece.trainedTokens() == 0 ? 1 : 0),
                Math.max(longest, piece.tokens()));
    }
}
