// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.example;

import java.util.Arrays;
import java.util.List;
import org.chorale.proto.batch.Batch;
import org.chorale.proto.batch.Column;

/**
 * A few sequences that go through the model together.
 *
 * @param batch tokens and labels [B, T], B sequences padded on the right to the longest; [0, 1] where there are none
 * @param tokens without padding
 * @param tokensCut tokens that did not fit into a sequence, at least
 */
public record MicroBatch(Batch batch, long tokens, long tokensCut) {
    /** Pads examples with a token whose label is ignored. */
    public static MicroBatch of(List<TokenizedExample> examples, long padToken) {
        int longest =
                examples.stream().mapToInt(example -> example.tokens().length).reduce(1, Math::max);
        int elements = Math.multiplyExact(examples.size(), longest);
        long[] tokens = new long[elements];
        long[] labels = new long[elements];
        Arrays.fill(tokens, padToken);
        Arrays.fill(labels, Batch.IGNORED);
        for (int row = 0; row < examples.size(); row++) {
            TokenizedExample example = examples.get(row);
            int length = example.tokens().length;
            int begin = row * longest;
            System.arraycopy(example.tokens(), 0, tokens, begin, length);
            int trained = length - example.untrained();
            System.arraycopy(example.tokens(), example.untrained(), labels, begin + example.untrained(), trained);
        }
        long[] shape = {examples.size(), longest};
        return new MicroBatch(
                new Batch(List.of(
                        Column.ofLongs(Batch.TOKENS, tokens, shape),
                        Column.ofLongs(Batch.LABELS, labels, shape.clone()))),
                examples.stream().mapToLong(example -> example.tokens().length).sum(),
                examples.stream().mapToLong(TokenizedExample::tokensCut).sum());
    }
}
