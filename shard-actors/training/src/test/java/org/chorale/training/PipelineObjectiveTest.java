// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.chorale.training.ToyPipeline.MASKER;
import static org.chorale.training.ToyPipeline.TARGETS;
import static org.chorale.training.ToyPipeline.batch;
import static org.chorale.training.ToyPipeline.composite;
import static org.chorale.training.ToyPipeline.run;
import static org.chorale.training.ToyPipeline.stages;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.NativeMemory;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.training.ToyPipeline.Run;
import org.chorale.training.loss.CompositeLoss;
import org.chorale.training.loss.CrossEntropyLoss;
import org.chorale.training.loss.CrossEntropySettings;
import org.chorale.training.loss.L1Loss;
import org.chorale.training.loss.MseLoss;
import org.chorale.training.loss.UncertaintyWeightedLoss;
import org.chorale.training.pipeline.ContractMode;
import org.chorale.training.pipeline.LossCalculator;
import org.chorale.training.pipeline.PostProcessor;
import org.chorale.training.pipeline.PreProcessor;
import org.chorale.training.pipeline.Stages;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What a pipeline's gradients promise, in fp64. */
final class PipelineObjectiveTest {
    private static final double EXACT = 1e-12;
    private static final double STEP = 1e-6;

    static Stream<Arguments> losses() {
        return Stream.of(
                Arguments.of("cross entropy", new CrossEntropyLoss()),
                Arguments.of("masked cross entropy", new CrossEntropyLoss().masked("mask")),
                Arguments.of("smooth", new CrossEntropyLoss().with(new CrossEntropySettings(0.1, 0))),
                Arguments.of("z", new CrossEntropyLoss().masked("mask").with(new CrossEntropySettings(0.1, 1e-2))),
                Arguments.of("mse", new MseLoss("prediction", "number")),
                Arguments.of("masked mse", new MseLoss("prediction", "number").masked("mask")),
                Arguments.of("masked wide mse", new MseLoss("hidden", "hidden_target").masked("mask")),
                Arguments.of("l1", new L1Loss("prediction", "number")),
                Arguments.of("masked l1", new L1Loss("prediction", "number").masked("mask")),
                Arguments.of("composite", composite()),
                Arguments.of(
                        "uncertainty",
                        UncertaintyWeightedLoss.of(
                                new CrossEntropyLoss().masked("mask"), new MseLoss("prediction", "number"))),
                Arguments.of(
                        "nested",
                        CompositeLoss.of(
                                composite(),
                                0.5,
                                UncertaintyWeightedLoss.of(new L1Loss("prediction", "number"), new CrossEntropyLoss()),
                                2)));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("losses")
    void unevenMicroBatchesEqualOneLargeBatch(String name, LossCalculator loss) {
        Run whole = run(loss, List.of(batch(0, 6)));
        Run parts = run(loss, List.of(batch(0, 1), batch(1, 2), batch(2, 3), batch(3, 6)));
        Run again = run(loss, List.of(batch(3, 6), batch(0, 3)));
        for (Run other : List.of(parts, again)) {
            assertThat(other.loss()).isCloseTo(whole.loss(), within(EXACT * Math.abs(whole.loss())));
            whole.metrics()
                    .forEach((metric, value) ->
                            assertThat(other.metrics().get(metric)).as(metric).isCloseTo(value, within(1e-11)));
            agree(other.gradients(), whole.gradients(), EXACT);
        }
        assertThat(Arrays.stream(Objects.requireNonNull(whole.gradients().get("embedding"))))
                .anyMatch(x -> x != 0);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("losses")
    void theGradientIsTheDifferenceQuotient(String name, LossCalculator loss) {
        List<MicroBatch> microBatches = List.of(batch(0, 2), batch(2, 6));
        Run run = run(loss, microBatches);
        Random random = new Random(4);
        run.gradients().forEach((parameter, gradient) -> {
            for (int trial = 0; trial < 4; trial++) {
                int element = random.nextInt(gradient.length);
                double quotient = (lossAt(loss, microBatches, parameter, element, STEP)
                                - lossAt(loss, microBatches, parameter, element, -STEP))
                        / (2 * STEP);
                assertThat(gradient[element])
                        .as("%s[%d]", parameter, element)
                        .isCloseTo(quotient, within(1e-5 + 1e-3 * Math.abs(quotient)));
            }
        });
    }

    @Test
    void termsAddUpToTheLossAndMetricsHaveNoFactor() {
        Run run = run(composite(), List.of(batch(0, 2), batch(2, 6)));
        double sum = run.metrics().entrySet().stream()
                .filter(metric -> metric.getKey().startsWith("loss."))
                .mapToDouble(Map.Entry::getValue)
                .sum();
        assertThat(sum).isCloseTo(run.loss(), within(1e-12));
        assertThat(run.metrics()).containsKeys("loss.CrossEntropyLoss", "loss.MseLoss", "loss.L1Loss", "MseLoss");
        double mse =
                run(new MseLoss("prediction", "number"), List.of(batch(0, 6))).loss();
        assertThat(run.metrics().get("MseLoss")).isCloseTo(mse, within(1e-12));
        assertThat(run.metrics().get("loss.MseLoss")).isCloseTo(0.1 * mse, within(1e-12));
    }

    @Test
    void twoLossesOfOneKindHaveNamesOfTheirOwn() {
        LossCalculator loss =
                CompositeLoss.of(new MseLoss("prediction", "number"), 1, new MseLoss("hidden", "hidden_target"), 1);
        assertThat(run(loss, List.of(batch(0, 6))).metrics())
                .containsKeys("loss.MseLoss", "loss.MseLoss_2", "MseLoss", "MseLoss_2");
    }

    @Test
    void anUncertaintyWeighsAsKendallSays() {
        LossCalculator loss =
                UncertaintyWeightedLoss.of(new MseLoss("prediction", "number"), new L1Loss("hidden", "hidden_target"));
        double mse =
                run(new MseLoss("prediction", "number"), List.of(batch(0, 6))).loss();
        double l1 =
                run(new L1Loss("hidden", "hidden_target"), List.of(batch(0, 6))).loss();
        try (TensorScope scope = new TensorScope()) {
            ToyPipeline pipeline = new ToyPipeline(loss);
            set(pipeline.value("loss.log_variance.MseLoss"), 0.7);
            set(pipeline.value("loss.log_variance.L1Loss"), -0.4);
            Run run = pipeline.run(List.of(batch(0, 4), batch(4, 6)));
            assertThat(run.loss()).isCloseTo(Math.exp(-0.7) * mse + 0.7 + Math.exp(0.4) * l1 - 0.4, within(1e-12));
            assertThat(Objects.requireNonNull(run.gradients().get("loss.log_variance.MseLoss"))[0])
                    .isCloseTo(1 - Math.exp(-0.7) * mse, within(1e-12));
        }
    }

    @Test
    void aMaskThatLeavesEverythingOutIsNothingTrained() {
        PreProcessor nothing = (batch, context) -> {
            context.put("mask", torch.zeros_like(batch.get("batch")));
            return batch;
        };
        try (TensorScope scope = new TensorScope()) {
            ToyPipeline pipeline = new ToyPipeline(
                    stages(List.of(nothing), new CrossEntropyLoss().masked("mask"), ContractMode.CHECK));
            assertThat(pipeline.run(List.of(batch(0, 6))).metrics()).isEmpty();
            assertThat(pipeline.isEmpty()).isTrue();
            pipeline.gradients()
                    .values()
                    .forEach(gradient -> assertThat(gradient).containsOnly(0));
        }
    }

    @Test
    void whatAMaskLeavesOutMayBeNaN() {
        PostProcessor spoil = (outputs, context) -> {
            Tensor out = context.tensor("mask").eq(new Scalar(0)).unsqueeze(-1);
            return outputs.with("logits", outputs.get("logits").masked_fill(out, new Scalar(Double.NaN)))
                    .with("hidden", outputs.get("hidden").masked_fill(out, new Scalar(Double.NaN)));
        };
        LossCalculator loss = CompositeLoss.of(
                new CrossEntropyLoss().masked("mask"), 1, new MseLoss("hidden", "hidden_target").masked("mask"), 1);
        Stages stages = new Stages(List.of(MASKER), "ToyModel", "", List.of(TARGETS, spoil), loss, ContractMode.CHECK);
        try (TensorScope scope = new TensorScope()) {
            Run run = new ToyPipeline(stages).run(List.of(batch(0, 6)));
            assertThat(run.loss())
                    .isFinite()
                    .isEqualTo(run(loss, List.of(batch(0, 6))).loss());
            run.gradients()
                    .values()
                    .forEach(gradient -> assertThat(Arrays.stream(gradient)).allMatch(Double::isFinite));
        }
    }

    @Test
    void theUpstreamGradientMultipliesAll() {
        try (TensorScope scope = new TensorScope()) {
            ToyPipeline plain = new ToyPipeline(composite());
            ToyPipeline scaled = new ToyPipeline(composite());
            plain.run(List.of(batch(0, 2), batch(2, 6)));
            scaled.run(
                    List.of(batch(0, 2), batch(2, 6)),
                    HostTensors.zeros(ScalarType.Float, 1).add_(Scalars.of(1024)));
            Map<String, double[]> expected = plain.gradients();
            expected.values().forEach(gradient -> Arrays.setAll(gradient, i -> gradient[i] * 1024));
            agree(scaled.gradients(), expected, EXACT);
        }
    }

    @Test
    void aRankWithoutRowsAddsNothing() {
        MicroBatch empty = MicroBatch.rightPadded(0, 1, new long[0], new long[0]);
        Run with = run(composite(), List.of(batch(0, 6), empty));
        agree(with.gradients(), run(composite(), List.of(batch(0, 6))).gradients(), EXACT);
        try (TensorScope scope = new TensorScope()) {
            ToyPipeline pipeline = new ToyPipeline(composite());
            pipeline.run(List.of(empty));
            assertThat(pipeline.isEmpty()).isTrue();
        }
    }

    @Test
    void soundContractsChangeNoBitWhenTheyAreEnforced() {
        try (TensorScope scope = new TensorScope()) {
            Run checked =
                    new ToyPipeline(stages(List.of(MASKER), composite(), ContractMode.CHECK)).run(List.of(batch(0, 6)));
            Run enforced = new ToyPipeline(stages(List.of(MASKER), composite(), ContractMode.ENFORCE))
                    .run(List.of(batch(0, 6)));
            assertThat(enforced).usingRecursiveComparison().isEqualTo(checked);
        }
    }

    @Test
    void stepsLeaveNoNativeReferenceBehind() {
        try (TensorScope scope = new TensorScope()) {
            ToyPipeline pipeline = new ToyPipeline(composite());
            List<MicroBatch> microBatches = List.of(batch(0, 2), batch(2, 6));
            for (int i = 0; i < 3; i++) {
                pipeline.run(microBatches);
            }
            long before = NativeMemory.liveReferences();
            for (int i = 0; i < 20; i++) {
                pipeline.run(microBatches);
            }
            assertThat(NativeMemory.liveReferences()).isEqualTo(before);
        }
    }

    private static double lossAt(
            LossCalculator loss, List<MicroBatch> microBatches, String parameter, int element, double shift) {
        try (TensorScope scope = new TensorScope()) {
            ToyPipeline pipeline = new ToyPipeline(loss);
            pipeline.value(parameter).view(-1).select(0, element).add_(new Scalar(shift));
            return pipeline.run(microBatches).loss();
        }
    }

    private static void set(Tensor tensor, double value) {
        tensor.fill_(new Scalar(value));
    }

    private static void agree(Map<String, double[]> actual, Map<String, double[]> expected, double tolerance) {
        expected.forEach((name, values) -> {
            double magnitude = Arrays.stream(values).map(Math::abs).max().orElse(0);
            double[] found = Objects.requireNonNull(actual.get(name));
            for (int i = 0; i < values.length; i++) {
                assertThat(found[i]).as("%s[%d]", name, i).isCloseTo(values[i], within(tolerance * magnitude + 1e-15));
            }
        });
    }
}
