// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ScopedTensors;
import org.chorale.model.layer.FlashAttention.Attended;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.device.Device;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The flash kernel of the CPU, and the plain way that is the reference of all, give what autograd gives. */
@ExtendWith(ScopedTensors.class)
final class FlashAttentionTest {
    private static final long SEQUENCES = 2;
    private static final long TOKENS = 7;
    private static final Rotary UNUSED = new Rotary(new Tensor(), new Tensor());

    @ParameterizedTest
    @CsvSource({"CPU, 4, 4", "CPU, 4, 2", "PLAIN, 4, 4", "PLAIN, 4, 2", "PLAIN, 3, 1"})
    void causalAttentionIsRight(AttentionWay way, long heads, long keyHeads) {
        check(new FlashAttention().by(way), heads, keyHeads, context(null), causal());
    }

    @ParameterizedTest
    @CsvSource({"CPU", "PLAIN"})
    void aMaskIsAdded(AttentionWay way) {
        Tensor hidden = causal().expand(SEQUENCES, 1, TOKENS, TOKENS).clone();
        hidden.select(0, 1).narrow(2, 0, 1).fill_(Scalars.of(1)); // the second sequence begins with padding,
        hidden.select(0, 1).narrow(1, 0, 1).narrow(2, 0, 1).zero_(); // which sees itself
        Tensor mask = hidden.to(ScalarType.Double).mul_(Scalars.of(-1e30));
        check(new FlashAttention().by(way), 4, 2, context(mask), hidden);
    }

    @ParameterizedTest
    @CsvSource({"CPU, 1", "CPU, 3", "CPU, 7", "CPU, 100", "PLAIN, 1", "PLAIN, 3", "PLAIN, 100"})
    void aWindowHidesWhatLiesFurtherBack(AttentionWay way, long window) {
        check(FlashAttention.sliding(window).by(way), 4, 2, context(null), outside(window));
    }

    @ParameterizedTest
    @CsvSource({"CPU", "PLAIN"})
    void aWindowAndAMaskHideBoth(AttentionWay way) {
        Tensor hidden = outside(4).clone();
        hidden.narrow(2, 3, 4).narrow(3, 2, 1).fill_(Scalars.of(1)); // nobody but the third token sees the third
        Tensor mask = hidden.logical_or(causal()).to(ScalarType.Double).mul_(Scalars.of(-1e30));
        check(FlashAttention.sliding(4).by(way), 4, 2, context(mask), hidden);
    }

    @ParameterizedTest
    @CsvSource({"CPU, 100", "CPU, 2", "PLAIN, 100", "PLAIN, 2"})
    void packedDocumentsSeeThemselvesAlone(AttentionWay way, long window) {
        long[] documents = {0, 0, 0, 1, 2, 2, -1, 0, 0, 0, 0, 1, 1, 1};
        Tensor hidden = outside(window).expand(SEQUENCES, 1, TOKENS, TOKENS).clone();
        for (int row = 0; row < documents.length; row++) {
            for (int column = 0; column < TOKENS; column++) {
                int sequence = row / (int) TOKENS;
                if (documents[row] != documents[sequence * (int) TOKENS + column]) {
                    cell(hidden, sequence, row % TOKENS, column).fill_(Scalars.of(1));
                }
            }
        }
        PackedDocuments packed = PackedDocuments.of(Device.CPU, TOKENS, documents);
        SequenceContext context = new SequenceContext(SEQUENCES, TOKENS, List.of(UNUSED), null, packed, null, null);
        check(FlashAttention.sliding(window).by(way), 4, 2, context, hidden, 6);
    }

    @ParameterizedTest
    @CsvSource({"CPU", "PLAIN"})
    void aTokenAfterACacheSeesAllOfItOrItsWindow(AttentionWay way) {
        Tensor q = random(SEQUENCES, 1, 4, 8);
        Tensor k = random(SEQUENCES, TOKENS, 2, 8);
        Tensor v = random(SEQUENCES, TOKENS, 2, 8);
        Tensor nothing = torch.zeros(1, TOKENS).to(ScalarType.Bool);
        Tensor all = new FlashAttention().by(way).forward(q, k, v, false, null).mixed();
        assertThat(distance(all, formula(q, k, v, nothing))).isLessThan(1e-12);
        Tensor near =
                FlashAttention.sliding(3).by(way).forward(q, k, v, false, null).mixed();
        Tensor far = nothing.clone();
        far.narrow(1, 0, TOKENS - 3).fill_(Scalars.of(1));
        assertThat(distance(near, formula(q, k, v, far))).isLessThan(1e-12);
    }

    @Test
    void theCpuTakesItsOwnKernel() {
        Tensor q = random(1, TOKENS, 4, 8);
        Tensor k = random(1, TOKENS, 2, 8);
        SequenceContext context = new SequenceContext(1, TOKENS, List.of(UNUSED), null);
        Attended chosen = new FlashAttention().forward(q, k, k, context);
        Attended cpu = new FlashAttention().by(AttentionWay.CPU).forward(q, k, k, context);
        assertThat(chosen.mixed().equal(cpu.mixed())).isTrue();
    }

    @ParameterizedTest
    @ValueSource(longs = {2, 100})
    void aQueryThatSeesNothingSeesEverythingAlikeWhateverItsWindow(long window) {
        Tensor q = random(SEQUENCES, TOKENS, 4, 8);
        Tensor k = random(SEQUENCES, TOKENS, 2, 8);
        Tensor mask = torch.full(new long[] {SEQUENCES, 1, TOKENS, TOKENS}, Scalars.of(-Float.MAX_VALUE));
        FlashAttention plain = FlashAttention.sliding(window).by(AttentionWay.PLAIN);
        Attended attended = plain.forward(q, k, k, context(mask));
        Tensor mean = k.mean(new long[] {1}, true, null).repeat_interleave(2, new LongOptional(2), new LongOptional());
        assertThat(distance(attended.mixed(), mean.expand(SEQUENCES, TOKENS, 4, 8)))
                .isLessThan(1e-6);
        for (Tensor gradient : plain.backward(torch.zeros_like(q), q, k, k, attended, context(mask))) {
            assertThat(gradient.abs().max().item_double()).isZero();
        }
    }

    @Test
    void aWindowWithoutATokenIsRefused() {
        assertThatThrownBy(() -> FlashAttention.sliding(0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("a window of 0 tokens");
    }

    @Test
    void theOffsetsOfPackedRowsCoverTheirPaddingToo() {
        PackedDocuments packed = PackedDocuments.of(Device.CPU, 6, new long[] {0, 0, 1, 1, 2, -1, 0, 0, 0, 0, -1, -1});
        assertThat(packed.spans())
                .containsExactly(new DocumentSpan(0, 2, 2), new DocumentSpan(4, 1, 1), new DocumentSpan(6, 4, 1));
        assertThat(packed.runs()).isEqualTo(6);
        assertThat(packed.longestRun()).isEqualTo(4);
        assertThat(packed.offsets().scalar_type().intern()).isEqualTo(ScalarType.Int);
        assertThat(LongStream.range(0, packed.offsets().numel())
                        .mapToObj(i -> packed.offsets().select(0, i).item_int()))
                .containsExactly(0, 2, 4, 5, 6, 10, 12);
    }

    @Test
    void theLongestRunMayBePadding() {
        PackedDocuments packed = PackedDocuments.of(Device.CPU, 4, new long[] {0, -1, -1, -1});
        assertThat(packed.longestRun()).isEqualTo(3);
    }

    private void check(FlashAttention attention, long heads, long keyHeads, SequenceContext context, Tensor hidden) {
        check(attention, heads, keyHeads, context, hidden, SEQUENCES * TOKENS);
    }

    /** @param padding the row that belongs to no document, where there is one */
    private void check(
            FlashAttention attention, long heads, long keyHeads, SequenceContext context, Tensor hidden, long padding) {
        Tensor q = random(SEQUENCES, TOKENS, heads, 8);
        Tensor k = random(SEQUENCES, TOKENS, keyHeads, 8);
        Tensor v = random(SEQUENCES, TOKENS, keyHeads, 8);
        Tensor dMixed = random(SEQUENCES, TOKENS, heads, 8);
        Tensor read = torch.ones(SEQUENCES * TOKENS).to(ScalarType.Double);
        if (padding < SEQUENCES * TOKENS) {
            read.select(0, padding).zero_();
        }
        read = read.view(SEQUENCES, TOKENS, 1, 1);
        dMixed.mul_(read);

        Tensor[] leaves = PlainFormulas.leaves(List.of(q, k, v), ScalarType.Double);
        Tensor expected = formula(leaves[0], leaves[1], leaves[2], hidden);
        expected.mul(dMixed).sum().backward();

        Attended attended = attention.forward(q, k, v, context);
        assertThat(distance(attended.mixed().mul(read), expected.detach().mul(read)))
                .isLessThan(1e-12);
        Tensor[] gradients = attention.backward(dMixed, q, k, v, attended, context);
        for (int i = 0; i < 3; i++) {
            assertThat(distance(gradients[i], leaves[i].grad()))
                    .as("gradient %d", i)
                    .isLessThan(1e-12);
            assertThat(gradients[i].is_contiguous()
                            || gradients[i].transpose(1, 2).is_contiguous())
                    .isTrue();
        }
    }

    /** [B, T, N, H] */
    private static Tensor formula(Tensor q, Tensor k, Tensor v, Tensor hidden) {
        Tensor mixed = PlainFormulas.attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), hidden);
        return mixed.view(q.size(0), q.size(1), q.size(2), q.size(3));
    }

    private static SequenceContext context(@Nullable Tensor mask) {
        return new SequenceContext(SEQUENCES, TOKENS, List.of(UNUSED), mask);
    }

    /** [1, 1, T, T] */
    private static Tensor causal() {
        return PlainFormulas.causal(TOKENS).view(1, 1, TOKENS, TOKENS);
    }

    /** [1, 1, T, T], true but for a token and those before it inside of the window. */
    private static Tensor outside(long window) {
        return causal().logical_or(torch.ones(TOKENS, TOKENS).tril(-window).to(ScalarType.Bool));
    }

    private static Tensor cell(Tensor hidden, long sequence, long row, long column) {
        return hidden.select(0, sequence).select(0, 0).select(0, row).select(0, column);
    }

    private static double distance(Tensor a, Tensor b) {
        return a.sub(b).abs().max().item_double();
    }

    private static Tensor random(long... shape) {
        return torch.randn(shape).to(ScalarType.Double);
    }
}
