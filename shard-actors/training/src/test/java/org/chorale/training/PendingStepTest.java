// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.Tensor;
import org.chorale.model.ModelFolder;
import org.chorale.tensor.NativeMemory;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.collective.Collectives;
import org.chorale.tensor.collective.RankThreads;
import org.chorale.tensor.device.Device;
import org.chorale.training.loss.CrossEntropyLoss;
import org.chorale.training.loss.CrossEntropySettings;
import org.chorale.training.optimizer.AdamW;
import org.chorale.training.optimizer.LossScale;
import org.chorale.training.pipeline.ContractMode;
import org.chorale.training.pipeline.LossCalculator;
import org.chorale.training.pipeline.LossOutput;
import org.chorale.training.pipeline.Stages;
import org.chorale.training.shard.FlatGroup;
import org.chorale.training.shard.ModelShard;
import org.chorale.training.shard.Precision;
import org.chorale.training.shard.RankGroups;
import org.chorale.training.shard.RankShards;
import org.chorale.training.shard.RankShards.Mode;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What steps promise that are read after the next has begun. */
final class PendingStepTest {
    private static final double LEARNING_RATE = 1e-2;
    private static final int STEPS = 6;

    @TempDir
    private Path directory;

    @ParameterizedTest
    @CsvSource({"1, REPLICATE, FP32", "1, REPLICATE, FP16", "3, FULL_SHARD, FP32", "2, OPTIMIZER_ONLY, FP16"})
    void readingLateChangesNoBit(int worldSize, Mode mode, Precision precision) {
        try (ModelFolder folder = TinyModel.folder(directory, true)) {
            RankThreads.run(worldSize, world -> {
                RankGroups ranks = mode.groups(world, true);
                try (Bench prompt = new Bench(folder, precision, ranks);
                        Bench late = new Bench(folder, precision, ranks)) {
                    List<StepResult> expected = prompt.run(STEPS, 0);
                    assertThat(late.run(STEPS, 1)).isEqualTo(expected);
                    assertThat(late.weights()).isDeepEqualTo(prompt.weights());
                }
            });
        }
    }

    @Test
    void aStepThatIsNotFiniteIsGatedAndReportedLate() {
        try (ModelFolder folder = TinyModel.folder(directory, false)) {
            RankThreads.run(1, world -> {
                try (Bench bench = new Bench(folder, Precision.FP32, Mode.REPLICATE.groups(world, false))) {
                    PendingStep good = bench.begin(1);
                    bench.breakWeight("model.norm.weight");
                    float[][] broken = bench.weights();
                    PendingStep bad = bench.begin(2);
                    assertThat(good.await().skipped()).isFalse();
                    assertThat(good.await().lossNats()).isFinite();
                    PendingStep alsoBad = bench.begin(3);
                    assertThat(bad.await().skipped()).isTrue();
                    assertThat(alsoBad.await().skipped()).isTrue();
                    assertThat(bench.weights()).isDeepEqualTo(broken);
                }
            });
        }
    }

    @Test
    void theScaleOfAnOverflowIsTheOneThatTheStepUsed() {
        try (ModelFolder folder = TinyModel.folder(directory, false)) {
            RankThreads.run(1, world -> {
                try (Bench bench = new Bench(folder, Precision.FP16, Mode.REPLICATE.groups(world, false))) {
                    bench.breakWeight("model.norm.weight");
                    List<StepResult> results = bench.run(18, 1);
                    assertThat(results).allMatch(StepResult::skipped);
                    for (int i = 0; i < results.size(); i++) {
                        assertThat(results.get(i).lossScale()).isEqualTo(Math.max(1, 65_536 / Math.pow(2, i)));
                        assertThat(results.get(i).overflow())
                                .as("step %d", i + 1)
                                .isEqualTo(i < 16);
                    }
                }
            });
        }
    }

    @Test
    void aBatchWithoutLabelsMovesNeitherWeightsNorScale() {
        try (ModelFolder folder = TinyModel.folder(directory, false)) {
            RankThreads.run(2, world -> {
                try (Bench bench = new Bench(folder, Precision.FP16, Mode.FULL_SHARD.groups(world, true))) {
                    float[][] before = bench.weights();
                    long[] labels = new long[4];
                    Arrays.fill(labels, MicroBatch.IGNORED);
                    StepResult result = bench.step.run(
                            1, List.of(MicroBatch.rightPadded(1, 4, new long[4], labels)), LEARNING_RATE, false);
                    assertThat(result).isEqualTo(StepResult.nothingTrained(65_536, false));
                    assertThat(bench.weights()).isDeepEqualTo(before);
                    assertThat(bench.lossScale.state().values())
                            .extracting(Tensor::item_double)
                            .containsExactlyInAnyOrder(65_536.0, 0.0);
                }
            });
        }
    }

    @Test
    void aStepOfSeveralRanksIsOneExchangeOfNumbersAndReadingItIsNone() {
        try (ModelFolder folder = TinyModel.folder(directory, false)) {
            RankThreads.run(2, given -> {
                AtomicInteger operations = new AtomicInteger();
                RankGroups ranks = Mode.FULL_SHARD.groups(given, true);
                Collectives world = new InterceptedRanks(given, operations::incrementAndGet);
                try (Bench bench = new Bench(
                        folder,
                        Precision.FP32,
                        new RankGroups(world, ranks.shard(), ranks.replicas(), ranks.gathering(), true))) {
                    bench.begin(1).await();
                    operations.set(0);
                    try (PendingStep second = bench.begin(2);
                            PendingStep third = bench.begin(3)) {
                        assertThat(operations).hasValue(2);
                        assertThat(second.needsOthers()).isFalse();
                        second.await();
                        third.await();
                        assertThat(operations).hasValue(2);
                    }
                }
            });
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1})
    void aMetricThatOneRankHasLaterIsSettledWhenTheStepIsRead(int late) {
        LossCalculator surprising = (outputs, context) -> {
            LossOutput loss = new CrossEntropyLoss().compute(outputs, context);
            boolean surprises = context.place().samples()[0] == 0
                    && (context.place().step() == 3 || context.place().step() == 4);
            return surprises ? loss.withMetric("surprise", loss.terms().get(0).sum(), 2) : loss;
        };
        try (ModelFolder folder = TinyModel.unbiased(directory, false)) {
            RankThreads.run(3, world -> {
                try (Bench bench = new Bench(folder, Precision.FP32, Mode.FULL_SHARD.groups(world, true), surprising)) {
                    List<PendingStep> begun = new ArrayList<>();
                    for (int i = 1; i <= STEPS; i++) {
                        begun.add(bench.begin(i));
                        PendingStep due = begun.get(Math.max(0, i - 1 - late));
                        assertThat(due.needsOthers()).isEqualTo(isSettled(late, begun.indexOf(due) + 1));
                        due.await();
                    }
                    List<StepResult> results =
                            begun.stream().map(PendingStep::await).toList();
                    assertThat(results.subList(0, 2))
                            .allSatisfy(result -> assertThat(result.metrics()).isEmpty());
                    for (StepResult result : results.subList(2, 4)) {
                        assertThat(result.metrics()).containsOnlyKeys("surprise");
                        assertThat(result.metrics().get("surprise")).isPositive();
                    }
                    assertThat(results.get(5).metrics()).containsEntry("surprise", 0.0);
                }
            });
        }
    }

    /** Where steps are read late, the fourth has begun before the third has taught all ranks the name. */
    private static boolean isSettled(int late, int step) {
        return step == 3 || (step == 4 && late == 1);
    }

    @Test
    void aThirdStepDoesNotBeginWhileNobodyReadsTheFirst() {
        try (ModelFolder folder = TinyModel.folder(directory, false)) {
            RankThreads.run(1, world -> {
                try (Bench bench = new Bench(folder, Precision.FP32, Mode.REPLICATE.groups(world, false))) {
                    PendingStep first = bench.begin(1);
                    PendingStep second = bench.begin(2);
                    assertThatThrownBy(() -> bench.begin(3))
                            .isInstanceOf(IllegalStateException.class)
                            .hasMessage("2 steps have begun that nobody has read");
                    first.close();
                    bench.begin(3).await();
                    assertThat(second.await()).isEqualTo(second.await());
                    assertThatThrownBy(first::await)
                            .isInstanceOf(IllegalStateException.class)
                            .hasMessageContaining("given up before it was read");
                }
            });
        }
    }

    @Test
    void aStepThatIsReadOrGivenUpHoldsNothing() {
        try (ModelFolder folder = TinyModel.folder(directory, false)) {
            RankThreads.run(1, world -> {
                try (Bench bench = new Bench(folder, Precision.FP32, Mode.REPLICATE.groups(world, false))) {
                    bench.begin(1).await();
                    bench.begin(2).await(); // batches go to two places in turn
                    long before = NativeMemory.liveReferences();
                    bench.begin(3).await();
                    bench.begin(4).close();
                    assertThat(NativeMemory.liveReferences()).isEqualTo(before);
                }
            });
        }
    }

    /** A rank's model, optimizer and step; owns its groups but for the world's. */
    private static final class Bench implements AutoCloseable {
        private final RankGroups ranks;
        private final ModelShard shard;
        private final AdamW optimizer;
        private final LossScale lossScale;
        private final TrainStep step;

        Bench(ModelFolder folder, Precision precision, RankGroups ranks) {
            this.ranks = ranks;
            this.shard = RankShards.load(folder, precision, ranks);
            this.optimizer = new AdamW(TinyModel.OPTIMIZER, shard.groups());
            this.lossScale = LossScale.of(precision, Device.CPU);
            this.step = step(new LanguageModelObjective(shard, CrossEntropySettings.PLAIN, 3));
        }

        Bench(ModelFolder folder, Precision precision, RankGroups ranks, LossCalculator loss) {
            this.ranks = ranks;
            this.shard = RankShards.load(folder, precision, ranks);
            this.optimizer = new AdamW(TinyModel.OPTIMIZER, shard.groups());
            this.lossScale = LossScale.of(precision, Device.CPU);
            Stages stages = new Stages(List.of(), "Llama", "", List.of(), loss, ContractMode.OFF);
            this.step = step(new PipelineObjective(new DecoderPipelineModel(shard.model()), stages, shard.view(), 1));
        }

        private TrainStep step(Objective objective) {
            return new TrainStep(shard, optimizer, 1, objective, lossScale);
        }

        PendingStep begin(int number) {
            Collectives world = ranks.world();
            MicroBatch whole = TinyModel.batch(number, 3 + number % 5, 11);
            MicroBatch numbered =
                    whole.withSamples(LongStream.range(0, whole.sequences()).toArray());
            List<MicroBatch> own = RankRun.part(numbered, world.rank(), world.worldSize(), 2);
            return step.begin(number, own, LEARNING_RATE, false);
        }

        /** Each is read after {@code late} more have begun. */
        List<StepResult> run(int steps, int late) {
            List<PendingStep> begun = new ArrayList<>();
            for (int i = 1; i <= steps; i++) {
                begun.add(begin(i));
                if (i > late) {
                    begun.get(i - 1 - late).await();
                }
            }
            return begun.stream().map(PendingStep::await).toList();
        }

        void breakWeight(String name) {
            try (TensorScope scope = new TensorScope()) {
                shard.weight(name).fill_(Scalars.of(Double.POSITIVE_INFINITY));
                shard.groups().forEach(FlatGroup::refresh);
            }
        }

        float[][] weights() {
            return shard.groups().stream().map(group -> read(group.master())).toArray(float[][]::new);
        }

        private static float[] read(Tensor tensor) {
            try (TensorScope scope = new TensorScope()) {
                float[] values = new float[(int) tensor.numel()];
                tensor.<FloatBuffer>createBuffer().get(values);
                return values;
            }
        }

        @Override
        public void close() {
            lossScale.close();
            optimizer.close();
            shard.close();
            ranks.replicas().close();
            ranks.shard().close();
        }
    }
}
