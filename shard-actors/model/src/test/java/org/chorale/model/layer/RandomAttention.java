// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.device.Device;
import org.jspecify.annotations.Nullable;

/**
 * An attention that was drawn by lot, and the formula that says what it gives.
 *
 * <p>B sequences, T tokens, N heads, K heads of keys and values, H head width.
 *
 * @param window tokens that a query sees at most, fewer than T; null for all of them
 * @param documents B·T, of each row the document in its sequence; below 0 for padding
 */
@SuppressWarnings("ArrayRecordComponent") // never compared
record RandomAttention(
        int sequences,
        int tokens,
        int heads,
        int keyHeads,
        int width,
        Scores scores,
        @Nullable Integer window,
        Layout layout,
        int[] documents) {
    private static final Rotary UNUSED = new Rotary(new Tensor(), new Tensor());
    private static final double HIDDEN = -1e30;

    /** What a row of tokens is made of. */
    enum Layout {
        WHOLE,
        /** Documents of any length, and padding behind the last. */
        PACKED,
        /** One document, and padding before it, told by a mask. */
        MASKED
    }

    static RandomAttention of(Random random, int longest, boolean capped, boolean limited, Layout layout) {
        int tokens = longest / 2 + random.nextInt(longest / 2) - longest / 4 * random.nextInt(2);
        int sequences = longest > 100 ? 1 : 1 + random.nextInt(3);
        int keyHeads = 1 + random.nextInt(3);
        double scale = 0.2 + random.nextDouble();
        return new RandomAttention(
                sequences,
                tokens,
                keyHeads * (1 + random.nextInt(3)),
                keyHeads,
                1 + random.nextInt(19),
                new Scores(random.nextBoolean() ? scale : null, capped ? 0.3 + 3 * random.nextDouble() : 0),
                limited ? 1 + random.nextInt(tokens - 1) : null,
                layout,
                documents(random, sequences, tokens, layout));
    }

    private static int[] documents(Random random, int sequences, int tokens, Layout layout) {
        int[] documents = new int[sequences * tokens];
        for (int row = 0; row < documents.length; row += tokens) {
            int padding = random.nextInt(tokens / 2);
            int document = 0;
            for (int t = 0; t < tokens && layout != Layout.WHOLE; t++) {
                boolean begins = layout == Layout.PACKED && t > 0 && random.nextInt(7) == 0;
                document += begins ? 1 : 0;
                boolean padded = layout == Layout.PACKED ? t >= tokens - padding : t < padding;
                documents[row + t] = padded ? -1 : document;
            }
        }
        return documents;
    }

    /** As a decoder has it made. */
    FlashAttention attention() {
        return (window == null ? new FlashAttention() : FlashAttention.sliding(window)).with(scores);
    }

    SequenceContext context() {
        long[] packed = IntStream.of(documents).asLongStream().toArray();
        return new SequenceContext(
                sequences,
                tokens,
                List.of(UNUSED),
                layout == Layout.MASKED ? mask() : null,
                layout == Layout.PACKED ? PackedDocuments.of(Device.CPU, tokens, packed) : null,
                null,
                null);
    }

    /** Keys after the query, and those of padding, [B, 1, T, T]; a decoder's mask leaves the window to its layers. */
    private Tensor mask() {
        return hidden(tokens).to(ScalarType.Double).mul_(Scalars.of(HIDDEN));
    }

    /** [B, T, N, H] */
    Tensor queries() {
        return torch.randn(sequences, tokens, heads, width).to(ScalarType.Double);
    }

    /** Or values, [B, T, K, H] */
    Tensor keys() {
        return torch.randn(sequences, tokens, keyHeads, width).to(ScalarType.Double);
    }

    /** 1 for rows that anybody reads, 0 for padding, [B, T, 1, 1] */
    Tensor read() {
        double[] read = IntStream.of(documents)
                .mapToDouble(document -> document < 0 ? 0 : 1)
                .toArray();
        return Tensor.create(read, sequences, tokens, 1, 1);
    }

    /** One product, one cap, one mask, one softmax: [B, T, N, H] */
    Tensor formula(Tensor q, Tensor k, Tensor v) {
        double scale = scores.scale() == null ? 1 / Math.sqrt((double) width) : scores.scale();
        Tensor dots =
                headsFirst(q).matmul(headsFirst(shared(k)).transpose(-2, -1)).mul(Scalars.of(scale));
        Tensor capped = scores.cap() == 0
                ? dots
                : dots.div(Scalars.of(scores.cap())).tanh().mul(Scalars.of(scores.cap()));
        Tensor seen = capped.masked_fill(hidden(window == null ? tokens : window), Scalars.of(HIDDEN));
        return headsFirst(torch.softmax(seen, -1).matmul(headsFirst(shared(v))));
    }

    /** [B, 1, T, T], true where a query must not see a key. */
    private Tensor hidden(int window) {
        boolean[] hidden = new boolean[documents.length * tokens];
        for (int row = 0; row < documents.length; row++) {
            for (int key = 0; key < tokens; key++) {
                int back = row % tokens - key;
                boolean together = documents[row] >= 0 && documents[row] == documents[row / tokens * tokens + key];
                hidden[row * tokens + key] = back < 0 || back >= window || !together;
            }
        }
        return Tensor.create(hidden, sequences, 1, tokens, tokens);
    }

    /** [B, T, K, H] → [B, T, N, H] */
    private Tensor shared(Tensor x) {
        return x.repeat_interleave(heads / keyHeads, new LongOptional(2), new LongOptional());
    }

    /** And back. */
    private static Tensor headsFirst(Tensor x) {
        return x.transpose(1, 2);
    }

    @Override
    public String toString() {
        return "B %d, T %d, N %d, K %d, H %d, %s, window %s, %s"
                .formatted(sequences, tokens, heads, keyHeads, width, scores, window, layout);
    }
}
