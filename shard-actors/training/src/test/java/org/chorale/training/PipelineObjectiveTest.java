// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.layer.Parameter;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.NativeMemory;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.training.contract.ContractException;
import org.chorale.training.loss.CompositeLoss;
import org.chorale.training.loss.CrossEntropyLoss;
import org.chorale.training.loss.CrossEntropySettings;
import org.chorale.training.loss.L1Loss;
import org.chorale.training.loss.MseLoss;
import org.chorale.training.loss.UncertaintyWeightedLoss;
import org.chorale.training.pipeline.Context;
import org.chorale.training.pipeline.ContractMode;
import org.chorale.training.pipeline.LossCalculator;
import org.chorale.training.pipeline.LossOutput;
import org.chorale.training.pipeline.NamedTensors;
import org.chorale.training.pipeline.PipelineException;
import org.chorale.training.pipeline.PostProcessor;
import org.chorale.training.pipeline.PreProcessor;
import org.chorale.training.pipeline.Stages;
import org.chorale.training.shard.ShardView;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What a pipeline's gradients promise, in fp64. */
final class PipelineObjectiveTest {
    private static final double EXACT = 1e-12;
    private static final double STEP = 1e-6;

    /** Hides three tokens of ten, and masks nothing at all in the sequence of sample 2. */
    private static final PreProcessor MASKER = (batch, context) -> {
        Tensor tokens = batch.get("batch");
        Tensor mask =
                context.random("mask").uniform(tokens.size(0), tokens.size(1)).lt(new Scalar(0.4));
        Tensor counts = context.tensor("original_batch").narrow(1, 0, 1).ne(new Scalar(0)); // [B, 1]
        Tensor hidden = mask.logical_and(counts);
        context.put("mask", hidden.to(ScalarType.Double));
        return batch.with("batch", tokens.masked_fill(hidden, new Scalar(0)));
    };

    private static final PostProcessor TARGETS = (outputs, context) -> {
        context.put(
                "number", context.tensor("original_batch").to(ScalarType.Double).mul(Scalars.of(0.3)));
        context.put("hidden_target", torch.ones_like(outputs.get("hidden").detach()));
        return outputs;
    };

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

    private static CompositeLoss composite() {
        return CompositeLoss.of(
                new CrossEntropyLoss().masked("mask"),
                1,
                new MseLoss("prediction", "number"),
                0.1,
                new L1Loss("hidden", "hidden_target"),
                -0.2);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("losses")
    void unevenMicroBatchesEqualOneLargeBatch(String name, LossCalculator loss) {
        Run whole = run(loss, List.of(batch(0, 6)));
        Run parts = run(loss, List.of(batch(0, 1), batch(1, 2), batch(2, 3), batch(3, 6)));
        Run again = run(loss, List.of(batch(3, 6), batch(0, 3)));
        for (Run other : List.of(parts, again)) {
            assertThat(other.loss).isCloseTo(whole.loss, within(EXACT * Math.abs(whole.loss)));
            whole.metrics.forEach((metric, value) ->
                    assertThat(other.metrics.get(metric)).as(metric).isCloseTo(value, within(1e-11)));
            agree(other.gradients, whole.gradients, EXACT);
        }
        assertThat(Arrays.stream(Objects.requireNonNull(whole.gradients.get("embedding"))))
                .anyMatch(x -> x != 0);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("losses")
    void theGradientIsTheDifferenceQuotient(String name, LossCalculator loss) {
        List<MicroBatch> microBatches = List.of(batch(0, 2), batch(2, 6));
        Run run = run(loss, microBatches);
        Random random = new Random(4);
        run.gradients.forEach((parameter, gradient) -> {
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
        double sum = run.metrics.entrySet().stream()
                .filter(metric -> metric.getKey().startsWith("loss."))
                .mapToDouble(Map.Entry::getValue)
                .sum();
        assertThat(sum).isCloseTo(run.loss, within(1e-12));
        assertThat(run.metrics).containsKeys("loss.CrossEntropyLoss", "loss.MseLoss", "loss.L1Loss", "MseLoss");
        double mse = run(new MseLoss("prediction", "number"), List.of(batch(0, 6))).loss;
        assertThat(run.metrics.get("MseLoss")).isCloseTo(mse, within(1e-12));
        assertThat(run.metrics.get("loss.MseLoss")).isCloseTo(0.1 * mse, within(1e-12));
    }

    @Test
    void twoLossesOfOneKindHaveNamesOfTheirOwn() {
        LossCalculator loss =
                CompositeLoss.of(new MseLoss("prediction", "number"), 1, new MseLoss("hidden", "hidden_target"), 1);
        assertThat(run(loss, List.of(batch(0, 6))).metrics)
                .containsKeys("loss.MseLoss", "loss.MseLoss_2", "MseLoss", "MseLoss_2");
    }

    @Test
    void anUncertaintyWeighsAsKendallSays() {
        LossCalculator loss =
                UncertaintyWeightedLoss.of(new MseLoss("prediction", "number"), new L1Loss("hidden", "hidden_target"));
        double mse = run(new MseLoss("prediction", "number"), List.of(batch(0, 6))).loss;
        double l1 = run(new L1Loss("hidden", "hidden_target"), List.of(batch(0, 6))).loss;
        try (TensorScope scope = new TensorScope()) {
            Fixture fixture = new Fixture(loss);
            set(fixture.value("loss.log_variance.MseLoss"), 0.7);
            set(fixture.value("loss.log_variance.L1Loss"), -0.4);
            Run run = fixture.run(List.of(batch(0, 4), batch(4, 6)));
            assertThat(run.loss).isCloseTo(Math.exp(-0.7) * mse + 0.7 + Math.exp(0.4) * l1 - 0.4, within(1e-12));
            assertThat(Objects.requireNonNull(run.gradients.get("loss.log_variance.MseLoss"))[0])
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
            Fixture fixture =
                    new Fixture(stages(List.of(nothing), new CrossEntropyLoss().masked("mask"), ContractMode.CHECK));
            assertThat(fixture.run(List.of(batch(0, 6))).metrics).isEmpty();
            assertThat(fixture.isEmpty).isTrue();
            fixture.gradients()
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
            Run run = new Fixture(stages).run(List.of(batch(0, 6)));
            assertThat(run.loss).isFinite().isEqualTo(run(loss, List.of(batch(0, 6))).loss);
            run.gradients
                    .values()
                    .forEach(gradient -> assertThat(Arrays.stream(gradient)).allMatch(Double::isFinite));
        }
    }

    @Test
    void theUpstreamGradientMultipliesAll() {
        try (TensorScope scope = new TensorScope()) {
            Fixture plain = new Fixture(composite());
            Fixture scaled = new Fixture(composite());
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
    void aMeanIsRefusedByNameBeyondOneMicroBatch() {
        LossCalculator mean = (outputs, context) ->
                LossOutput.mean("my_mean", outputs.get("prediction").mean());
        assertThat(run(mean, List.of(batch(0, 6))).loss).isFinite();
        assertThatThrownBy(() -> run(mean, List.of(batch(0, 3), batch(3, 6))))
                .isInstanceOf(PipelineException.class)
                .hasMessageContaining("the loss my_mean gives a mean")
                .hasMessageContaining("data.micro-batch");
        LossCalculator inside = CompositeLoss.of(new CrossEntropyLoss(), 1, mean, 1);
        assertThatThrownBy(() -> run(inside, List.of(batch(0, 3), batch(3, 6)))).hasMessageContaining("gives a mean");
    }

    @Test
    void aLossThatAutogradDoesNotReachIsRefusedInsteadOfTrainingNothing() {
        LossCalculator cut = (outputs, context) ->
                LossOutput.of("mine", outputs.get("prediction").detach().sum(), 6);
        assertThatThrownBy(() -> run(cut, List.of(batch(0, 6))))
                .isInstanceOf(PipelineException.class)
                .hasMessageContaining("no gradient comes of the loss [mine]");
    }

    @Test
    void aTermThatComesAndGoesIsRefusedInsteadOfLosingItsGradient() {
        LossCalculator fickle = (outputs, context) -> {
            Tensor sum = outputs.get("prediction").sum();
            LossOutput one = LossOutput.of("always", sum, 1);
            return context.sequences() > 2
                    ? new LossOutput(
                            List.of(one.terms().get(0), new LossOutput.Term("at_times", sum, 1, false)), Map.of())
                    : one;
        };
        assertThatThrownBy(() -> run(fickle, List.of(batch(0, 2), batch(2, 6))))
                .isInstanceOf(PipelineException.class)
                .hasMessageContaining("gives the terms [always, at_times], and gave [always] before");
    }

    static Stream<Arguments> brokenLosses() {
        return Stream.of(
                Arguments.of((LossCalculator) (outputs, context) -> noLoss(), "step 1, Loss (lambda): gives null"),
                Arguments.of(
                        (LossCalculator) (outputs, context) -> LossOutput.of("all", outputs.get("prediction"), 1),
                        "the loss all gives a sum of shape [6, 5]: it must be a single number"),
                Arguments.of(
                        (LossCalculator) (outputs, context) ->
                                LossOutput.of("all", outputs.get("prediction").sum(), Double.NaN),
                        "the weight NaN: it must be a number from 0"),
                Arguments.of(
                        (LossCalculator) (outputs, context) -> new LossOutput(List.of(), Map.of()),
                        "at least one term"),
                Arguments.of(
                        (LossCalculator) (outputs, context) -> {
                            Tensor wrong = outputs.get("logits").matmul(outputs.get("hidden"));
                            return LossOutput.of("all", wrong.sum(), 1);
                        },
                        "step 1, Loss (lambda): failed with java.lang.RuntimeException: "),
                Arguments.of(
                        (LossCalculator) (outputs, context) -> LossOutput.of("all", context.tensor("wish"), 1),
                        "step 1, Loss (lambda): there is no tensor wish in the context"));
    }

    @ParameterizedTest(name = "{1}")
    @MethodSource("brokenLosses")
    void whatGoesWrongInAComponentIsToldWithItsName(LossCalculator loss, String said) {
        assertThatThrownBy(() -> run(loss, List.of(batch(0, 6))))
                .isInstanceOf(PipelineException.class)
                .hasMessageContaining(said);
    }

    @SuppressWarnings("NullAway") // as users do
    private static LossOutput noLoss() {
        return null;
    }

    @Test
    void aRankWithoutRowsAddsNothing() {
        MicroBatch empty = MicroBatch.rightPadded(0, 1, new long[0], new long[0]);
        Run with = run(composite(), List.of(batch(0, 6), empty));
        agree(with.gradients, run(composite(), List.of(batch(0, 6))).gradients, EXACT);
        try (TensorScope scope = new TensorScope()) {
            Fixture fixture = new Fixture(composite());
            fixture.run(List.of(empty));
            assertThat(fixture.isEmpty).isTrue();
        }
    }

    @Test
    void enforcedContractsNameStepStageTensorShapeAndType() {
        PreProcessor wrong = new PreProcessor() {
            @Override
            public NamedTensors process(NamedTensors batch, Context context) {
                context.put("mask", torch.zeros_like(batch.get("batch")));
                return batch.with("batch", batch.get("batch").unsqueeze(-1));
            }

            @Override
            public String name() {
                return "Wrong";
            }

            @Override
            public String contract() {
                return "batch:2:i64 -> batch:2:i64 | ctx.mask:2:f, ctx.other:1";
            }
        };
        try (TensorScope scope = new TensorScope()) {
            Fixture fixture = new Fixture(stages(List.of(wrong), new CrossEntropyLoss(), ContractMode.ENFORCE));
            assertThatThrownBy(() -> fixture.run(List.of(batch(0, 6))))
                    .isInstanceOf(ContractException.class)
                    .hasMessage("""
                            step 1, PreProcessor 1 Wrong: should give batch:2:i64, found i64 of shape [6, 5, 1]
                            step 1, PreProcessor 1 Wrong: should give ctx.mask:2:f, found i64 of shape [6, 5]
                            step 1, PreProcessor 1 Wrong: should give ctx.other:1, but there is no ctx.other""");
        }
    }

    @Test
    void soundContractsChangeNoBitWhenTheyAreEnforced() {
        try (TensorScope scope = new TensorScope()) {
            Run checked =
                    new Fixture(stages(List.of(MASKER), composite(), ContractMode.CHECK)).run(List.of(batch(0, 6)));
            Run enforced =
                    new Fixture(stages(List.of(MASKER), composite(), ContractMode.ENFORCE)).run(List.of(batch(0, 6)));
            assertThat(enforced).usingRecursiveComparison().isEqualTo(checked);
        }
    }

    @Test
    void stepsLeaveNoNativeReferenceBehind() {
        try (TensorScope scope = new TensorScope()) {
            Fixture fixture = new Fixture(composite());
            List<MicroBatch> microBatches = List.of(batch(0, 2), batch(2, 6));
            for (int i = 0; i < 3; i++) {
                fixture.run(microBatches);
            }
            long before = NativeMemory.liveReferences();
            for (int i = 0; i < 20; i++) {
                fixture.run(microBatches);
            }
            assertThat(NativeMemory.liveReferences()).isEqualTo(before);
        }
    }

    /** A model in fp64 and its pipeline; belongs to the innermost open scope. */
    private static final class Fixture {
        private final Map<String, Parameter> parameters = new LinkedHashMap<>();
        private final PipelineObjective objective;
        private boolean isEmpty;

        Fixture(LossCalculator loss) {
            this(stages(List.of(MASKER), loss, ContractMode.CHECK));
        }

        Fixture(Stages stages) {
            ToyModel model = new ToyModel();
            parameters.putAll(ToyModel.inDoubles(model.parameters(), ""));
            parameters.putAll(ToyModel.inDoubles(stages.loss().parameters(), "loss."));
            ShardView shard = ShardView.of(this::parameter);
            objective = new PipelineObjective(new WrappedModel(model, shard), stages, shard, 9);
        }

        Parameter parameter(String name) {
            return Optional.ofNullable(parameters.get(name)).orElseThrow(() -> new AssertionError(name));
        }

        Tensor value(String name) {
            return parameter(name).value();
        }

        Map<String, double[]> gradients() {
            Map<String, double[]> gradients = new LinkedHashMap<>();
            parameters.forEach(
                    (name, parameter) -> gradients.put(name, read(Objects.requireNonNull(parameter.gradient()))));
            return gradients;
        }

        Run run(List<MicroBatch> microBatches) {
            return run(microBatches, null);
        }

        Run run(List<MicroBatch> microBatches, @Nullable Tensor upstream) {
            try (TensorScope scope = new TensorScope();
                    StepSums step = new StepSums()) {
                objective.addGradients(1, microBatches, upstream, step);
                StepTotals totals = step.totals();
                isEmpty = totals.isEmpty();
                double divisor = step.isDividedLast() ? totals.firstWeight() : 1;
                Map<String, double[]> gradients = gradients();
                gradients.values().forEach(gradient -> Arrays.setAll(gradient, i -> gradient[i] / divisor));
                return new Run(totals.loss(), gradients, totals.means());
            }
        }
    }

    private record Run(double loss, Map<String, double[]> gradients, Map<String, Double> metrics) {}

    private static Run run(LossCalculator loss, List<MicroBatch> microBatches) {
        try (TensorScope scope = new TensorScope()) {
            return new Fixture(loss).run(microBatches);
        }
    }

    private static double lossAt(
            LossCalculator loss, List<MicroBatch> microBatches, String parameter, int element, double shift) {
        try (TensorScope scope = new TensorScope()) {
            Fixture fixture = new Fixture(loss);
            fixture.value(parameter).view(-1).select(0, element).add_(new Scalar(shift));
            return fixture.run(microBatches).loss;
        }
    }

    private static Stages stages(List<PreProcessor> preprocessors, LossCalculator loss, ContractMode contracts) {
        return new Stages(preprocessors, "ToyModel", new ToyModel().contract(), List.of(TARGETS), loss, contracts);
    }

    /** Sequences of one batch of six, with their samples; the one of sample 2 masks nothing. */
    private static MicroBatch batch(int from, int until) {
        int width = 5;
        Random random = new Random(1);
        long[] tokens = random.longs(6L * width, 1, ToyModel.VOCABULARY).toArray();
        tokens[2 * width] = 0;
        long[] part = Arrays.copyOfRange(tokens, from * width, until * width);
        long[] labels = part.clone();
        labels[1] = MicroBatch.IGNORED;
        if (from > 0) {
            labels[1] = part[1]; // ignored in the first sequence alone, however the batch is cut
        }
        return MicroBatch.rightPadded(until - from, width, part, labels)
                .withSamples(LongStream.range(from, until).toArray());
    }

    private static void set(Tensor tensor, double value) {
        tensor.fill_(new Scalar(value));
    }

    private static double[] read(Tensor tensor) {
        double[] values = new double[(int) tensor.numel()];
        for (int i = 0; i < values.length; i++) {
            values[i] = tensor.contiguous().view(-1).select(0, i).item_double();
        }
        return values;
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
