// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.layer.FlashAttention;
import org.chorale.model.layer.FlashAttention.Attended;
import org.chorale.model.layer.Rotary;
import org.chorale.model.layer.Scores;
import org.chorale.model.layer.SequenceContext;
import org.chorale.tensor.TensorScope;
import org.junit.jupiter.api.Test;

/** Capped attention holds blocks of its scores and never all of them. */
final class CappedAttentionMemoryTest {
    private static final long HEADS = 2;
    private static final long WIDTH = 8;

    /** Heap that grows while it runs, and tensors that grow with T alone. */
    private static final long SLACK_KILOBYTES = 48 << 10;

    @Test
    void itsPeakIsThatOfTheFormulaAndFarBelowAllScores() {
        FlashAttention attention = new FlashAttention().with(new Scores(null, 2));
        run(attention, 64);
        long tokens = 8_192; // whose blocks are as large as a block may be
        long before = PeakMemory.rssAnonKilobytes();
        try (PeakMemory peak = new PeakMemory()) {
            run(attention, tokens);
            long kilobytes = peak.peakKilobytes() - before;
            long formula = attention.scoreBytes(ScalarType.Float, HEADS, WIDTH, tokens) >> 10;
            assertThat(kilobytes).isLessThan(formula + SLACK_KILOBYTES).isGreaterThan(formula / 4);
            assertThat(formula + SLACK_KILOBYTES)
                    .as("even all scores once would be more")
                    .isLessThan((HEADS * tokens * tokens * Float.BYTES) >> 10);
        }
    }

    private static void run(FlashAttention attention, long tokens) {
        try (TensorScope scope = new TensorScope()) {
            Tensor q = torch.randn(1, tokens, HEADS, WIDTH);
            Tensor k = torch.randn(1, tokens, HEADS / 2, WIDTH);
            Rotary unused = new Rotary(new Tensor(), new Tensor());
            SequenceContext context = new SequenceContext(1, tokens, List.of(unused), null);
            Attended attended = attention.forward(q, k, k, context);
            attention.backward(q, q, k, k, attended, context);
        }
    }
}
