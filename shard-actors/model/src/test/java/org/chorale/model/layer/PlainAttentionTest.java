// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Random;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ScopedTensors;
import org.chorale.model.layer.FlashAttention.Attended;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.device.Device;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Attention block by block, of random shapes, is what autograd gives for all scores at once. */
@ExtendWith(ScopedTensors.class)
final class PlainAttentionTest {
    private static final long WIDTH = 4;

    /** Bytes of a block's scores: from a query of a head at once to everything. */
    @ParameterizedTest
    @ValueSource(longs = {1, 500, 5_000, 100_000})
    void blocksGiveWhatAllScoresGive(long maxBlockBytes) {
        Random random = new Random(maxBlockBytes);
        for (int round = 0; round < 30; round++) {
            Case what = Case.of(random);
            check(what, new PlainAttention(maxBlockBytes));
        }
    }

    /**
     * @param hidden [B or 1, 1, T, T]
     * @param read [B, T, 1, 1], 0 where the token is padding
     */
    private record Case(
            long sequences, long tokens, long keyHeads, long heads, Sight sight, Tensor hidden, Tensor read) {
        static Case of(Random random) {
            int sequences = 1 + random.nextInt(3);
            int tokens = 1 + random.nextInt(40);
            int keyHeads = 1 + random.nextInt(4);
            long window = random.nextInt(3) == 0 ? Sight.EVERYTHING : 1 + random.nextInt(tokens + 3);
            Scores scores = new Scores(random.nextBoolean() ? null : 0.7, random.nextInt(3) == 0 ? 0 : 1.5);
            int kind = random.nextInt(3);
            long[] documents = documents(random, kind == 1, sequences, tokens);
            Tensor seen = window == Sight.EVERYTHING
                    ? torch.zeros(tokens, tokens)
                    : torch.ones(tokens, tokens).tril(-window);
            Tensor later = PlainFormulas.causal(tokens)
                    .logical_or(seen.to(ScalarType.Bool))
                    .view(1, 1, tokens, tokens);
            Tensor of = torch.tensor(documents).view(sequences, 1, tokens, 1);
            Tensor hidden = later.logical_or(of.ne(of.transpose(2, 3)));
            PackedDocuments packed = kind == 1 ? PackedDocuments.of(Device.CPU, tokens, documents) : null;
            Tensor mask = null;
            if (kind == 2) {
                hidden = hidden.logical_or(
                        torch.rand(sequences, 1, tokens, tokens).gt(Scalars.of(0.8)));
                hidden.diagonal(0, 2, 3).zero_();
                mask = hidden.to(ScalarType.Double).mul_(Scalars.of(-1e30));
            }
            Sight sight = new Sight(kind != 2, window, mask, packed, scores);
            Tensor read = torch.tensor(documents)
                    .ge(Scalars.of(0))
                    .to(ScalarType.Double)
                    .view(sequences, tokens, 1, 1);
            return new Case(
                    sequences, tokens, keyHeads, (long) keyHeads * (1 + random.nextInt(3)), sight, hidden, read);
        }

        /** One for each sequence, or several with padding between and behind them. */
        private static long[] documents(Random random, boolean packed, long sequences, long tokens) {
            long[] documents = new long[(int) (sequences * tokens)];
            long document = 0;
            for (int row = 0; packed && row < documents.length; row++) {
                document = row % tokens == 0 ? 0 : document + (random.nextInt(5) == 0 ? 1 : 0);
                documents[row] = document % 4 == 3 ? -1 : document;
            }
            return documents;
        }

        @Override
        public String toString() {
            return "B %d T %d K %d N %d %s".formatted(sequences, tokens, keyHeads, heads, sight);
        }
    }

    private static void check(Case what, PlainAttention attention) {
        Tensor q = random(what, what.heads);
        Tensor k = random(what, what.keyHeads);
        Tensor v = random(what, what.keyHeads);
        Tensor dMixed = random(what, what.heads).mul_(what.read);
        Tensor[] leaves = PlainFormulas.leaves(List.of(q, k, v), ScalarType.Double);
        Tensor expected = formula(leaves[0], leaves[1], leaves[2], what);
        expected.mul(dMixed).sum().backward();
        Attended attended = attention.forward(q, k, v, what.sight);
        assertThat(distance(attended.mixed().mul(what.read), expected.detach().mul(what.read)))
                .as("%s", what)
                .isLessThan(1e-12);
        assertThat(attended.logSumExp().numel()).isZero();
        Tensor[] gradients = attention.backward(dMixed, q, k, v, attended, what.sight);
        for (int i = 0; i < gradients.length; i++) {
            assertThat(distance(gradients[i], leaves[i].grad()))
                    .as("gradient %d of %s", i, what)
                    .isLessThan(1e-11);
        }
    }

    /** [B, T, N, H] */
    private static Tensor formula(Tensor q, Tensor k, Tensor v, Case what) {
        Scores scores = what.sight.scores();
        Tensor dots = q.transpose(1, 2).matmul(shared(k, what).transpose(-2, -1));
        Tensor scaled = dots.mul(Scalars.of(scores.scale() == null ? 0.5 : scores.scale())); // 1/√4
        Tensor bent = scores.cap() == 0
                ? scaled
                : scaled.div(Scalars.of(scores.cap())).tanh().mul(Scalars.of(scores.cap()));
        Tensor shares = bent.masked_fill(what.hidden, Scalars.of(-1e30)).softmax(-1);
        return shares.matmul(shared(v, what)).transpose(1, 2);
    }

    /** [B, T, K, H] → [B, N, T, H] */
    private static Tensor shared(Tensor x, Case what) {
        return x.transpose(1, 2).repeat_interleave(what.heads / what.keyHeads, new LongOptional(1), new LongOptional());
    }

    @Test
    void halfPrecisionIsRoundedAtTheEndsAlone() {
        Case what = Case.of(new Random(5));
        Tensor[] narrow = new Tensor[4];
        Tensor[] wide = new Tensor[4];
        for (int i = 0; i < narrow.length; i++) {
            narrow[i] =
                    random(what, i == 1 || i == 2 ? what.keyHeads : what.heads).to(ScalarType.BFloat16);
            wide[i] = narrow[i].to(ScalarType.Float);
        }
        PlainAttention attention = new PlainAttention(500);
        Tensor[] rounded = all(attention, narrow, what.sight);
        Tensor[] exact = all(attention, wide, what.sight);
        for (int i = 0; i < rounded.length; i++) {
            assertThat(rounded[i].equal(exact[i].to(ScalarType.BFloat16)))
                    .as("result %d", i)
                    .isTrue();
            assertThat(rounded[i].is_contiguous()).isTrue();
        }
    }

    private static Tensor[] all(PlainAttention attention, Tensor[] inputs, Sight sight) {
        Attended attended = attention.forward(inputs[0], inputs[1], inputs[2], sight);
        Tensor[] gradients = attention.backward(inputs[3], inputs[0], inputs[1], inputs[2], attended, sight);
        return new Tensor[] {attended.mixed(), gradients[0], gradients[1], gradients[2]};
    }

    /** As a product of several linears gives it: parts of wider rows. */
    private static Tensor random(Case what, long heads) {
        return torch.randn(what.sequences, what.tokens, heads + 1, WIDTH)
                .to(ScalarType.Double)
                .narrow(2, 1, heads);
    }

    private static double distance(Tensor a, Tensor b) {
        return a.sub(b).abs().max().item_double();
    }
}
