// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.layer.PackedDocuments;
import org.chorale.model.layer.Rotary;
import org.chorale.model.layer.SequenceContext;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.device.Device;

/**
 * Attention to be computed: a shape, and who sees whom.
 *
 * <p>B batch, T tokens, N query heads, K key-value heads, H head width.
 *
 * @param sight what a token sees of its sequence
 */
record AttentionCase(long sequences, long tokens, long heads, long keyHeads, long width, ScalarType type, Sight sight) {
    /** Keys that a query sees at most under {@link Sight#WINDOW}. */
    static final long WINDOW_TOKENS = 24;

    private static final long LONGEST_DOCUMENT = 300;

    enum Sight {
        CAUSAL,
        PACKED,
        MASKED,
        WINDOW
    }

    /**
     * Inputs, which belong to the innermost open scope.
     *
     * @param q [B, T, N, H]
     * @param k [B, T, K, H]
     * @param v [B, T, K, H]
     * @param dMixed [B, T, N, H], zero where the token is padding
     * @param read [B, T, 1, 1], 0 where the token is padding
     */
    record Inputs(Tensor q, Tensor k, Tensor v, Tensor dMixed, Tensor read, SequenceContext context) {
        /** The same numbers in fp64. */
        Inputs exact() {
            ScalarType wide = ScalarType.Double;
            return new Inputs(q.to(wide), k.to(wide), v.to(wide), dMixed.to(wide), read, context);
        }
    }

    /** Normally distributed values, the same ones each time. */
    Inputs inputs(Device device) {
        torch.manual_seed(7);
        long[] documents = documents();
        Tensor read = device.ofLongs(documents, sequences, tokens, 1, 1).ge(Scalars.of(0));
        Tensor nothing = device.empty(type, 0);
        Rotary unused = new Rotary(nothing, nothing);
        PackedDocuments packed = sight == Sight.PACKED ? PackedDocuments.of(device, tokens, documents) : null;
        Tensor mask = sight == Sight.MASKED ? mask(read) : null;
        return new Inputs(
                random(device, heads),
                random(device, keyHeads),
                random(device, keyHeads),
                random(device, heads).mul_(read.to(type)),
                read,
                new SequenceContext(sequences, tokens, List.of(unused), mask, packed, null, null));
    }

    private Tensor random(Device device, long heads) {
        return device.empty(ScalarType.Float, sequences, tokens, heads, width)
                .normal_()
                .to(type);
    }

    /** The document of each token, below 0 for padding: behind the documents of packed sequences, before a masked one. */
    private long[] documents() {
        long[] documents = new long[Math.toIntExact(sequences * tokens)];
        if (sight == Sight.PACKED) {
            packInto(documents);
        } else if (sight == Sight.MASKED) {
            Arrays.fill(documents, 0, Math.toIntExact(tokens / 3), -1);
        }
        return documents;
    }

    private void packInto(long[] documents) {
        Random random = new Random(3);
        for (int row = 0; row < documents.length; ) {
            long left = tokens - row % tokens;
            boolean padding = left < tokens / 8;
            long length = padding ? left : Math.min(left, 1 + random.nextInt((int) Math.min(tokens, LONGEST_DOCUMENT)));
            Arrays.fill(documents, row, row + (int) length, padding ? -1 : row);
            row += (int) length;
        }
    }

    /** Causal, and no padding is seen: [B, 1, T, T]. */
    private Tensor mask(Tensor read) {
        Tensor later = Device.of(read).empty(ScalarType.Bool, tokens, tokens);
        Tensor padding = read.logical_not().view(sequences, 1, 1, tokens);
        Tensor hidden = later.fill_(Scalars.of(1)).triu(1).logical_or(padding);
        return hidden.to(ScalarType.Float).masked_fill_(hidden, Scalars.of(-Float.MAX_VALUE));
    }

    /** Of a causal forward: two products of T²/2 scores. */
    double forwardFlops() {
        return 2.0 * sequences * heads * tokens * tokens * width;
    }

    @Override
    public String toString() {
        return "%-8s %-8s B %d T %-4d N %-2d K %d H %-3d"
                .formatted(type, sight, sequences, tokens, heads, keyHeads, width);
    }
}
