// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ModelFolder;
import org.chorale.model.layer.Recompute;
import org.chorale.model.layer.RecomputePlan;
import org.chorale.model.layer.RouterBalance;
import org.chorale.model.layer.SequenceContext;
import org.chorale.model.layer.Tape;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.NativeMemory;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.training.loss.CrossEntropySettings;
import org.chorale.training.optimizer.AdamW;
import org.chorale.training.optimizer.Optimizer;
import org.chorale.training.shard.ModelShard;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The loss of the routers is that of the whole global batch, and stands beside the cross entropy. */
final class RouterLossTest {
    private static final double COEFFICIENT = 2;
    private static final String GATE = "model.layers.0.block_sparse_moe.gate.weight";

    @TempDir
    private Path directory;

    @Test
    void itIsReportedBesideTheCrossEntropyAndAddedToIt() {
        MicroBatch batch = batch();
        try (ModelFolder folder = TinyModel.mixture(directory);
                Bench bench = new Bench(folder, Optional.of(COEFFICIENT))) {
            double expected = COEFFICIENT * balance(bench.shard, batch);
            StepResult result = bench.run(batch);
            assertThat(result.metrics()).containsOnlyKeys("loss.cross-entropy", "loss.router");
            assertThat(result.metrics().get("loss.router")).isCloseTo(expected, within(1e-6));
            assertThat(result.lossNats()).isCloseTo(crossEntropy(result) + expected, within(1e-6));
        }
    }

    private static double crossEntropy(StepResult result) {
        return Objects.requireNonNull(result.metrics().get("loss.cross-entropy"));
    }

    /** E · Σ f · P of the batch, whose padding counts for nothing. */
    private static double balance(ModelShard shard, MicroBatch batch) {
        try (TensorScope scope = new TensorScope();
                Tape dropped = new Tape()) {
            Tensor sums = HostTensors.zeros(ScalarType.Double, 2, 4);
            Tensor counted = HostTensors.ofLongs(batch.realTokens(), batch.tokens().length, 1)
                    .to(ScalarType.Float);
            SequenceContext context = shard.model().context(batch.sequences(), batch.width(), null);
            shard.model()
                    .forward(
                            HostTensors.ofLongs(batch.tokens(), batch.tokens().length),
                            context.withBalance(RouterBalance.counting(counted, sums)),
                            dropped);
            shard.model().endForward();
            double routings = 2.0 * Arrays.stream(batch.realTokens()).sum(); // of two layers
            return 4 * sums.select(0, 0).dot(sums.select(0, 1)).item_double() / (routings * routings);
        }
    }

    /** A step so small that no token goes elsewhere. */
    @Test
    void itsGradientIsTheDifferenceQuotient() {
        MicroBatch batch = batch();
        float step = 1e-3F;
        try (ModelFolder folder = TinyModel.mixture(directory);
                Bench bench = new Bench(folder, Optional.of(100.0))) {
            bench.run(batch);
            float[] gradients = Objects.requireNonNull(bench.gradients().get(GATE));
            for (int i = 0; i < gradients.length; i += 7) {
                double above = bench.lossWith(batch, i, step);
                double below = bench.lossWith(batch, i, -step);
                assertThat((above - below) / (2 * step))
                        .as("element %d", i)
                        .isCloseTo(gradients[i], within(0.03 + 0.03 * Math.abs(gradients[i])));
            }
            assertThat(gradients[0]).as("the loss weighs enough").isNotCloseTo(0, within(1F));
        }
    }

    @ParameterizedTest
    @EnumSource
    void howABatchIsCutChangesNothing(Recompute recompute) {
        MicroBatch batch = batch();
        MicroBatch first = TinyModel.part(batch, 0, 1).withLengths(new long[] {batch.lengths()[0]});
        MicroBatch unlabelled = TinyModel.part(batch, 1, 3).withLengths(Arrays.copyOfRange(batch.lengths(), 1, 3));
        MicroBatch last = TinyModel.part(batch, 3, 5).withLengths(Arrays.copyOfRange(batch.lengths(), 3, 5));
        assertThat(unlabelled.predictingRows()).isEmpty();
        try (ModelFolder folder = TinyModel.mixture(directory);
                Bench whole = new Bench(folder, Optional.of(COEFFICIENT));
                Bench cut = new Bench(folder, Optional.of(COEFFICIENT))) {
            cut.shard.model().recompute(RecomputePlan.every(recompute));
            StepResult one = whole.run(batch);
            StepResult three = cut.run(first, TinyModel.part(batch, 0, 0), unlabelled, last);
            assertThat(three.lossNats()).isCloseTo(one.lossNats(), within(1e-5));
            assertThat(three.trainedTokens()).isEqualTo(one.trainedTokens());
            Map<String, float[]> expected = whole.gradients();
            cut.gradients().forEach((name, values) -> {
                float[] wanted = Objects.requireNonNull(expected.get(name));
                for (int i = 0; i < values.length; i++) {
                    assertThat(values[i]).as(name).isCloseTo(wanted[i], within(2e-5F));
                }
            });
        }
    }

    @Test
    void theModelSaysHowMuchUnlessTheRunDoes() {
        MicroBatch batch = batch();
        try (ModelFolder folder = TinyModel.mixture(directory); // 0.1
                Bench asked = new Bench(folder, Optional.empty());
                Bench same = new Bench(folder, Optional.of(0.1));
                Bench none = new Bench(folder, Optional.of(0.0))) {
            StepResult ofModel = asked.run(batch);
            assertThat(ofModel).isEqualTo(same.run(batch));
            StepResult without = none.run(batch);
            assertThat(without.metrics()).isEmpty();
            assertThat(without.lossNats()).isCloseTo(crossEntropy(ofModel), within(1e-6));
        }
    }

    @Test
    void aModelWithoutRoutersRefusesItByName() {
        try (ModelFolder folder = TinyModel.folder(directory, true)) {
            assertThatThrownBy(() -> new Bench(folder, Optional.of(0.1)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("loss.router = 0.1: a llama has no routers: leave it null, or 0");
        }
        assertThatThrownBy(() -> new CrossEntropySettings(0, 0, Optional.of(-0.1)))
                .hasMessage("loss.router = -0.1: must be 0 or above");
    }

    @Test
    void aBatchWithoutLabelsTrainsNothing() {
        MicroBatch batch = batch();
        long[] none = new long[batch.labels().length];
        Arrays.fill(none, MicroBatch.IGNORED);
        try (ModelFolder folder = TinyModel.mixture(directory);
                Bench bench = new Bench(folder, Optional.of(COEFFICIENT))) {
            StepResult result =
                    bench.run(MicroBatch.rightPadded(batch.sequences(), batch.width(), batch.tokens(), none));
            assertThat(result.trainedTokens()).isZero();
            assertThat(result.skipped()).isFalse();
            bench.gradients().values().forEach(values -> assertThat(values).containsOnly(0));
        }
    }

    @Test
    void nativeMemoryStaysFlat() {
        MicroBatch batch = batch();
        try (ModelFolder folder = TinyModel.mixture(directory);
                Bench bench = new Bench(folder, Optional.of(COEFFICIENT))) {
            bench.run(batch, batch);
            long live = NativeMemory.liveReferences();
            for (int i = 0; i < 3; i++) {
                bench.run(batch, batch);
                assertThat(NativeMemory.liveReferences()).isEqualTo(live);
            }
        }
    }

    /** Five sequences with padding, two of which have no labels. */
    private static MicroBatch batch() {
        MicroBatch batch = TinyModel.batch(3, 5, 9);
        Arrays.fill(batch.labels(), 9, 27, MicroBatch.IGNORED);
        return batch.withLengths(new long[] {9, 4, 7, 9, 5});
    }

    /** Moves no weights. */
    private static final class Bench implements AutoCloseable {
        private final ModelShard shard;
        private final Optimizer optimizer;
        private final TrainStep step;

        Bench(ModelFolder folder, Optional<Double> router) {
            this.shard = ModelShard.whole(folder, Device.CPU);
            this.optimizer = new AdamW(TinyModel.OPTIMIZER, shard.groups());
            this.step = new TrainStep(
                    shard,
                    optimizer,
                    Double.POSITIVE_INFINITY,
                    new LanguageModelObjective(shard, new CrossEntropySettings(0, 0, router), 1),
                    null);
        }

        StepResult run(MicroBatch... microBatches) {
            return step.run(1, List.of(microBatches), 0, false);
        }

        double lossWith(MicroBatch batch, int element, float shift) {
            try (TensorScope scope = new TensorScope()) {
                Tensor weight = shard.parameter(GATE).value().view(-1).narrow(0, element, 1);
                Tensor before = weight.clone();
                weight.add_(new Scalar(shift));
                double loss = run(batch).lossNats();
                weight.copy_(before);
                return loss;
            }
        }

        /** Of the mean loss, as the optimizer took them, by parameter. */
        Map<String, float[]> gradients() {
            Map<String, float[]> gradients = new TreeMap<>();
            shard.parameters().forEach((name, parameter) -> {
                Tensor gradient = Objects.requireNonNull(parameter.gradient());
                float[] values = new float[(int) gradient.numel()];
                gradient.<FloatBuffer>createBuffer().get(values);
                gradients.put(name, values);
            });
            return gradients;
        }

        @Override
        public void close() {
            optimizer.close();
            shard.close();
        }
    }
}
