// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.loss;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.stream.Stream;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;
import org.chorale.training.loss.FusedLinearCrossEntropy.Head;
import org.chorale.training.pipeline.Context;
import org.chorale.training.pipeline.LossOutput;
import org.chorale.training.pipeline.NamedTensors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

final class FusedLinearCrossEntropyTest {
    private static final long ROWS = 23;
    private static final long WIDTH = 6;
    private static final long VOCABULARY = 40;

    static Stream<CrossEntropySettings> settings() {
        return Stream.of(
                CrossEntropySettings.PLAIN,
                new CrossEntropySettings(0.1, 0),
                new CrossEntropySettings(0, 1e-2),
                new CrossEntropySettings(0.3, 1e-2));
    }

    @ParameterizedTest
    @MethodSource("settings")
    void itEqualsTheHeadAndThePlainLossUnderAutograd(CrossEntropySettings settings) {
        try (TensorScope scope = new TensorScope()) {
            torch.manual_seed(3);
            Tensor hidden = random(ROWS, WIDTH);
            Tensor weight = random(VOCABULARY, WIDTH);
            Tensor targets = targets();
            Tensor upstream = random(1);
            Linear head = new Linear(weight);
            Tensor sum = HostTensors.zeros(ScalarType.Double, 1);

            Tensor dHidden =
                    new FusedLinearCrossEntropy(settings).gradients(head, hidden, targets, VOCABULARY, upstream, sum);

            Tensor hiddenLeaf = hidden.clone();
            hiddenLeaf.set_requires_grad(true);
            Tensor weightLeaf = weight.clone();
            weightLeaf.set_requires_grad(true);
            Tensor plain = plain(settings, hiddenLeaf.matmul(weightLeaf.t()), targets);
            plain.mul(upstream).sum().backward();
            assertThat(sum.item_double()).isCloseTo(plain.item_double(), within(1e-11));
            close(dHidden, hiddenLeaf.grad());
            close(head.gradient, weightLeaf.grad());
            assertThat(head.mostRows).as("rows of a chunk").isEqualTo(4).isLessThan(ROWS);
        }
    }

    @Test
    void theLogitsOfAllRowsNeverExistAtOnce() {
        try (TensorScope scope = new TensorScope()) {
            Linear head = new Linear(random(512, 8));
            Tensor hidden = random(4096, 8);
            Tensor targets = torch.zeros(new long[] {4096}, new TensorOptions(ScalarType.Long));
            Tensor sum = HostTensors.zeros(ScalarType.Double, 1);
            new FusedLinearCrossEntropy(CrossEntropySettings.PLAIN).gradients(head, hidden, targets, 512, null, sum);
            assertThat(head.rows).isEqualTo(4096);
            assertThat(head.mostRows * 512).as("numbers of a chunk's logits").isLessThanOrEqualTo(4096 * 8);
        }
    }

    @ParameterizedTest
    @CsvSource({"16384, 4096, 32000, 2048", "1, 4096, 32000, 1", "100, 64, 64, 128", "7, 8, 1000, 1", "9, 100, 10, 16"})
    void aChunkHasAPowerOfTwoOfRowsAsLigerHasIt(long rows, long width, long vocabulary, long chunk) {
        assertThat(FusedLinearCrossEntropy.chunkRows(rows, width, vocabulary)).isEqualTo(chunk);
    }

    @ParameterizedTest
    @CsvSource({"256512, 4096", "64000, 16384", "512, 2097152", "536870912, 2", "536870913, 1", "2000000000, 1"})
    void aChunkOnAGpuHasAPowerOfTwoOfRowsWithinAGibibyte(long rowBytes, long chunk) {
        assertThat(FusedLinearCrossEntropy.chunkRows(rowBytes)).isEqualTo(chunk);
    }

    @Test
    void narrowLogitsAreComputedWithInFp32() {
        try (TensorScope scope = new TensorScope()) {
            Tensor hidden = random(ROWS, WIDTH).to(ScalarType.BFloat16);
            Tensor weight = random(VOCABULARY, WIDTH).to(ScalarType.BFloat16);
            Tensor sum = HostTensors.zeros(ScalarType.Float, 1);
            Tensor gradient = new FusedLinearCrossEntropy(CrossEntropySettings.PLAIN)
                    .gradients(new Linear(weight), hidden, targets(), VOCABULARY, null, sum);
            Tensor logits = hidden.matmul(weight.t()).to(ScalarType.Double);
            double exact = plain(CrossEntropySettings.PLAIN, logits, targets()).item_double();
            assertThat((double) sum.item_float()).isCloseTo(exact, within(1e-6 * exact));
            assertThat(gradient.scalar_type().intern()).isEqualTo(ScalarType.BFloat16);
        }
    }

    @Test
    void hitsAreWhereTheTargetIsTheMostLikely() {
        try (TensorScope scope = new TensorScope()) {
            Tensor hidden = random(ROWS, WIDTH);
            Tensor weight = random(VOCABULARY, WIDTH);
            Tensor best = torch.argmax(hidden.matmul(weight.t()), new org.bytedeco.pytorch.LongOptional(-1), false);
            best.narrow(0, 5, 1).add_(new Scalar(1L)).remainder_(new Scalar(VOCABULARY));
            Tensor sum = HostTensors.zeros(ScalarType.Double, 1);
            Tensor hits = new FusedLinearCrossEntropy(CrossEntropySettings.PLAIN)
                    .hits(new Linear(weight)::logits, hidden, best, VOCABULARY, sum);
            assertThat(hits.to(ScalarType.Long).sum().item_long()).isEqualTo(ROWS - 1);
            assertThat(hits.select(0, 5).item_bool()).isFalse();
            double plain = plain(CrossEntropySettings.PLAIN, hidden.matmul(weight.t()), best)
                    .item_double();
            assertThat(sum.item_double()).isCloseTo(plain, within(1e-11));
        }
    }

    /** The component's formula is torch's, where torch has it. */
    @ParameterizedTest
    @CsvSource({"0", "0.1", "0.5"})
    void thePlainLossIsTorchs(double smoothing) {
        try (TensorScope scope = new TensorScope()) {
            Tensor logits = random(ROWS, VOCABULARY);
            Tensor targets = targets();
            targets.narrow(0, 3, 2).fill_(new Scalar(-100L));
            org.bytedeco.pytorch.CrossEntropyLossOptions options = new org.bytedeco.pytorch.CrossEntropyLossOptions();
            options.label_smoothing().put(smoothing);
            double mean = torch.cross_entropy(logits, targets, options).item_double();
            LossOutput output = component(new CrossEntropySettings(smoothing, 0), logits, targets);
            assertThat(output.terms().get(0).weight()).isEqualTo(ROWS - 2);
            assertThat(output.terms().get(0).sum().item_double() / (ROWS - 2)).isCloseTo(mean, within(1e-12));
        }
    }

    private static Tensor plain(CrossEntropySettings settings, Tensor logits, Tensor targets) {
        return component(settings, logits, targets).terms().get(0).sum();
    }

    private static LossOutput component(CrossEntropySettings settings, Tensor logits, Tensor targets) {
        Context.Place place = new Context.Place(0, 1, new long[] {0}, new Device("cpu"));
        try (Context context = new Context(place, name -> {
            throw new AssertionError(name);
        })) {
            context.put(Context.TARGET, targets);
            return new CrossEntropyLoss().with(settings).compute(NamedTensors.of("logits", logits), context);
        }
    }

    private static Tensor random(long... shape) {
        return torch.randn(shape, new TensorOptions(ScalarType.Double));
    }

    private static Tensor targets() {
        long[] targets = new long[(int) ROWS];
        for (int i = 0; i < targets.length; i++) {
            targets[i] = i * 7L % VOCABULARY;
        }
        return HostTensors.ofLongs(targets, ROWS);
    }

    private static void close(Tensor actual, Tensor expected) {
        assertThat(actual.sub(expected).abs().max().item_double()).isLessThan(1e-12);
    }

    /** A head that counts rows. */
    private static final class Linear implements Head {
        private final Tensor weight;
        private final Tensor gradient;
        private long rows;
        private long mostRows;

        Linear(Tensor weight) {
            this.weight = weight;
            this.gradient = torch.zeros_like(weight);
        }

        @Override
        public Tensor logits(Tensor hidden) {
            rows += hidden.size(0);
            mostRows = Math.max(mostRows, hidden.size(0));
            return hidden.matmul(weight.t());
        }

        @Override
        public Tensor backward(Tensor dLogits, Tensor hidden) {
            gradient.add_(dLogits.t().matmul(hidden));
            return dLogits.matmul(weight);
        }
    }
}
