// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.assertj.core.api.Assertions.within;

import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Function;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.bytedeco.pytorch.DropoutImpl;
import org.bytedeco.pytorch.LinearImpl;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ModelFolder;
import org.chorale.model.layer.RecomputePlan;
import org.chorale.model.outline.Freezing;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.collective.RankThreads;
import org.chorale.training.loss.CompositeLoss;
import org.chorale.training.loss.CrossEntropyLoss;
import org.chorale.training.loss.L1Loss;
import org.chorale.training.loss.MseLoss;
import org.chorale.training.loss.UncertaintyWeightedLoss;
import org.chorale.training.optimizer.AdamW;
import org.chorale.training.pipeline.AutogradModel;
import org.chorale.training.pipeline.Context;
import org.chorale.training.pipeline.ContractMode;
import org.chorale.training.pipeline.LearnableParameter;
import org.chorale.training.pipeline.LearnableParameter.FirstValue;
import org.chorale.training.pipeline.LossCalculator;
import org.chorale.training.pipeline.LossOutput;
import org.chorale.training.pipeline.ModuleModel;
import org.chorale.training.pipeline.NamedTensors;
import org.chorale.training.pipeline.PipelineException;
import org.chorale.training.pipeline.PostProcessor;
import org.chorale.training.pipeline.Stages;
import org.chorale.training.shard.FlatGroup;
import org.chorale.training.shard.ModelShard;
import org.chorale.training.shard.Precision;
import org.chorale.training.shard.RankGroups;
import org.chorale.training.shard.RankShards;
import org.chorale.training.shard.RankShards.Mode;
import org.chorale.training.shard.UnitLayout.Slice;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** A pipeline with a model and a loss of the user's own trains on many ranks as on one. */
final class RankPipelineTest {
    private static final int STEPS = 5;
    private static final double LEARNING_RATE = 1e-2;

    private static final PostProcessor TARGETS = (outputs, context) -> {
        Tensor tokens = context.tensor("original_batch");
        context.put("number", tokens.to(ScalarType.Float).mul(Scalars.of(0.3)));
        context.put("mask", tokens.lt(Scalars.of(4)));
        return outputs;
    };

    @TempDir
    private Path directory;

    static Stream<Arguments> runs() {
        List<Arguments> runs = new ArrayList<>();
        for (LossCalculator loss : List.of(
                new CrossEntropyLoss(),
                CompositeLoss.of(
                        new CrossEntropyLoss().masked("mask"),
                        1,
                        new MseLoss("prediction", "number").masked("mask"),
                        0.1,
                        new L1Loss("prediction", "number"),
                        0.2),
                UncertaintyWeightedLoss.of(
                        new CrossEntropyLoss().masked("mask"), new MseLoss("prediction", "number")))) {
            runs.add(Arguments.of(loss, 2, Mode.FULL_SHARD, true));
            runs.add(Arguments.of(loss, 3, Mode.FULL_SHARD, false));
            runs.add(Arguments.of(loss, 3, Mode.KEEP_GATHERED, true));
            runs.add(Arguments.of(loss, 2, Mode.REPLICATE, true));
            runs.add(Arguments.of(loss, 4, Mode.HYBRID, true));
            runs.add(Arguments.of(loss, 4, Mode.OPTIMIZER_ONLY, false));
        }
        return runs.stream();
    }

    @ParameterizedTest
    @MethodSource("runs")
    void manyRanksTrainAModelOfTheUsersOwnAsOneDoes(
            LossCalculator loss, int worldSize, Mode mode, boolean reduceEachMicroBatch) {
        Outcome one = run(1, Mode.REPLICATE, false, loss);
        Outcome many = run(worldSize, mode, reduceEachMicroBatch, loss);
        assertThat(many.results).hasSameSizeAs(one.results);
        for (int i = 0; i < STEPS; i++) {
            StepResult expected = one.results.get(i);
            StepResult actual = many.results.get(i);
            assertThat(actual.lossNats()).isCloseTo(expected.lossNats(), within(1e-5 * Math.abs(expected.lossNats())));
            assertThat(actual.gradNorm()).isCloseTo(expected.gradNorm(), within(1e-4 * expected.gradNorm()));
            assertThat(actual.trainedTokens()).isEqualTo(expected.trainedTokens());
            assertThat(actual.metrics().keySet()).isEqualTo(expected.metrics().keySet());
            expected.metrics()
                    .forEach((name, value) ->
                            assertThat(actual.metrics().get(name)).as(name).isCloseTo(value, within(1e-4)));
        }
        one.weights.forEach(
                (name, values) -> assertThat(many.weights.get(name)).as(name).containsExactly(values, within((float)
                        (0.1 * LEARNING_RATE))));
        assertThat(many.evaluation).isCloseTo(one.evaluation, within(1e-4));
    }

    @Test
    void aLlamaInAPipelineTrainsOnManyRanksAsOnOne() {
        List<List<StepResult>> all = new ArrayList<>();
        try (ModelFolder folder = TinyModel.unbiased(directory, false)) {
            for (int worldSize : new int[] {1, 3}) {
                List<StepResult> results = new CopyOnWriteArrayList<>();
                RankThreads.run(worldSize, world -> {
                    try (RankGroups ranks = Mode.FULL_SHARD.groups(world, true);
                            ModelShard shard = RankShards.load(folder, Precision.FP32, ranks);
                            AdamW optimizer = new AdamW(TinyModel.OPTIMIZER, shard.groups())) {
                        shard.model().recompute(new RecomputePlan(1, 2));
                        Stages stages = new Stages(
                                List.of(), "Llama", "", List.of(), new CrossEntropyLoss(), ContractMode.CHECK);
                        Objective objective =
                                new PipelineObjective(new DecoderPipelineModel(shard.model()), stages, shard.view(), 1);
                        TrainStep step = new TrainStep(shard, optimizer, 1, objective, null);
                        for (int i = 1; i <= STEPS; i++) {
                            StepResult result = step.run(
                                    i,
                                    RankRun.part(RankRun.globalBatch(i), world.rank(), worldSize, 2),
                                    LEARNING_RATE,
                                    false);
                            if (world.rank() == 0) {
                                results.add(result);
                            }
                        }
                    }
                });
                all.add(results);
            }
        }
        for (int i = 0; i < STEPS; i++) {
            double expected = all.get(0).get(i).lossNats();
            assertThat(all.get(1).get(i).lossNats()).isCloseTo(expected, within(1e-5 * expected));
        }
    }

    @Test
    void ranksOfOneProcessShareAModuleAndItsDropout() {
        List<List<StepResult>> all = new ArrayList<>();
        for (int worldSize : new int[] {1, 2}) {
            List<StepResult> results = new CopyOnWriteArrayList<>();
            AutogradModel model = droppingModule();
            RankThreads.run(worldSize, world -> {
                LossCalculator loss = new MseLoss("prediction", "number");
                AutogradSource source = new AutogradSource(model, new Freezing(List.of(), List.of()), 3);
                try (RankGroups ranks = Mode.FULL_SHARD.groups(world, true);
                        ModelShard shard = RankShards.load(source, ranks);
                        AdamW optimizer = new AdamW(TinyModel.OPTIMIZER, shard.groups())) {
                    Stages stages = new Stages(List.of(), "Dropping", "", List.of(TARGETS), loss, ContractMode.OFF);
                    TrainStep step = new TrainStep(
                            shard,
                            optimizer,
                            1,
                            new PipelineObjective(new WrappedModel(model, shard.view()), stages, shard.view(), 9),
                            null);
                    for (int i = 1; i <= STEPS; i++) {
                        List<MicroBatch> halves =
                                List.of(TinyModel.part(batch(1), 0, 2), TinyModel.part(batch(1), 2, 5));
                        StepResult result = step.run(
                                i, worldSize == 1 ? halves : List.of(halves.get(world.rank())), LEARNING_RATE, false);
                        if (world.rank() == 0) {
                            results.add(result);
                        }
                    }
                }
            });
            all.add(results);
        }
        for (int i = 0; i < STEPS; i++) {
            StepResult expected = all.get(0).get(i);
            assertThat(all.get(1).get(i).lossNats()).isCloseTo(expected.lossNats(), within(1e-5 * expected.lossNats()));
            assertThat(all.get(1).get(i).gradNorm()).isCloseTo(expected.gradNorm(), within(1e-4 * expected.gradNorm()));
        }
    }

    /** Half of its inputs are dropped by libtorch's own generator. */
    private static AutogradModel droppingModule() {
        torch.manual_seed(5);
        Module module = new Module();
        LinearImpl linear = module.register_module("linear", new LinearImpl(1, 1));
        DropoutImpl dropout = module.register_module("dropout", new DropoutImpl(0.5));
        return new ModuleModel("Dropping", module, (inputs, context) -> {
            Tensor tokens = inputs.get("batch").to(ScalarType.Float).unsqueeze(-1);
            return NamedTensors.of(
                    "prediction", linear.forward(dropout.forward(tokens)).squeeze(-1));
        });
    }

    @Test
    void anOutputThatIsAParameterOutlivesTheParametersMemory() {
        AutogradModel model = new AutogradModel() {
            @Override
            public List<LearnableParameter> parameters() {
                return List.of(LearnableParameter.of("weight", FirstValue.constant(2), 3));
            }

            @Override
            public NamedTensors forward(NamedTensors inputs, Context context, Function<String, Tensor> parameters) {
                return NamedTensors.of("weight", parameters.apply("weight").narrow(0, 1, 2));
            }
        };
        LossCalculator sum =
                (outputs, context) -> LossOutput.of("sum", outputs.get("weight").sum(), 1);
        RankThreads.run(2, world -> {
            AutogradSource source = new AutogradSource(model, new Freezing(List.of(), List.of()), 3);
            try (RankGroups ranks = Mode.FULL_SHARD.groups(world, true);
                    ModelShard shard = RankShards.load(source, ranks)) {
                Stages stages = new Stages(List.of(), "Own", "", List.of(), sum, ContractMode.OFF);
                Evaluation evaluation = new Evaluation(
                        new PipelineObjective(new WrappedModel(model, shard.view()), stages, shard.view(), 9));
                evaluation.add(TinyModel.part(batch(1), world.rank(), world.rank() + 1));
                assertThat(evaluation.lossNats()).isEqualTo(4);
            }
        });
    }

    @Test
    void aLossThatOnlyGivesAMeanIsRefusedOnManyRanks() {
        LossCalculator mean = (outputs, context) ->
                LossOutput.mean("mean", outputs.get("prediction").mean());
        Throwable failure = catchThrowable(() -> run(2, Mode.FULL_SHARD, true, mean));
        assertThat(all(failure))
                .anySatisfy(one -> assertThat(one)
                        .isInstanceOf(PipelineException.class)
                        .hasMessageContaining("the loss mean gives a mean"));
    }

    @Test
    void aLossWhoseTermsDependOnTheBatchIsRefusedOnManyRanks() {
        LossCalculator moody = (outputs, context) -> {
            boolean first = context.place().samples()[0] == 0;
            return LossOutput.of(
                    first ? "mild" : "harsh", outputs.get("prediction").sum(), 1);
        };
        Throwable failure = catchThrowable(() -> run(2, Mode.FULL_SHARD, true, moody));
        assertThat(all(failure))
                .anySatisfy(one -> assertThat(one)
                        .isInstanceOf(PipelineException.class)
                        .hasMessageContaining("[mild]")
                        .hasMessageContaining("harsh"));
    }

    private static List<Throwable> all(Throwable failure) {
        List<Throwable> all = new ArrayList<>(List.of(failure.getSuppressed()));
        all.add(failure.getCause());
        return all;
    }

    private record Outcome(List<StepResult> results, Map<String, float[]> weights, double evaluation) {}

    private static Outcome run(int worldSize, Mode mode, boolean reduceEachMicroBatch, LossCalculator loss) {
        List<StepResult> results = new CopyOnWriteArrayList<>();
        List<Double> evaluations = new CopyOnWriteArrayList<>();
        Map<String, float[]> weights = new ConcurrentHashMap<>();
        RankThreads.run(worldSize, world -> {
            ToyModel model = new ToyModel();
            LossSource source = new LossSource(
                    new AutogradSource(model, new Freezing(List.of(), List.of()), 3), loss.parameters(), 3);
            try (RankGroups ranks = mode.groups(world, reduceEachMicroBatch);
                    ModelShard shard = RankShards.load(source, ranks);
                    AdamW optimizer = new AdamW(TinyModel.OPTIMIZER, shard.groups())) {
                Stages stages = new Stages(List.of(), "Toy", "", List.of(TARGETS), loss, ContractMode.OFF);
                Objective objective =
                        new PipelineObjective(new WrappedModel(model, shard.view()), stages, shard.view(), 9);
                TrainStep step = new TrainStep(shard, optimizer, 1, objective, null);
                for (int i = 1; i <= STEPS; i++) {
                    List<MicroBatch> batches = RankRun.part(batch(i), world.rank(), worldSize, worldSize == 1 ? 1 : 2);
                    StepResult result = step.run(i, batches, LEARNING_RATE, false);
                    if (world.rank() == 0) {
                        results.add(result);
                    }
                }
                Evaluation evaluation = new Evaluation(objective);
                RankRun.part(batch(1), world.rank(), worldSize, 3).forEach(evaluation::add);
                evaluation.finish(world);
                evaluations.add(evaluation.lossNats());
                shard.groups().forEach(group -> collect(group, weights));
            }
        });
        assertThat(evaluations).hasSize(worldSize).containsOnly(evaluations.get(0));
        return new Outcome(results, weights, evaluations.get(0));
    }

    private static void collect(FlatGroup group, Map<String, float[]> weights) {
        try (TensorScope scope = new TensorScope()) {
            float[] part = new float[(int) group.master().numel()];
            group.master().<FloatBuffer>createBuffer().get(part);
            for (Slice slice : group.layout().slices()) {
                float[] whole = weights.computeIfAbsent(
                        slice.segment().parameter(),
                        name -> new float[(int) slice.segment().elements()]);
                System.arraycopy(part, (int) slice.at(), whole, (int) slice.from(), (int) slice.elements());
            }
        }
    }

    /** One sequence in every third step. */
    private static MicroBatch batch(int step) {
        int sequences = step % 3 == 0 ? 1 : 5;
        long[] tokens =
                new Random(step).longs(sequences * 4L, 0, ToyModel.VOCABULARY).toArray();
        return MicroBatch.rightPadded(sequences, 4, tokens, tokens.clone())
                .withSamples(LongStream.range(0, sequences).toArray());
    }
}
