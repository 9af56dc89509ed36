// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.chorale.model.ModelFolder;
import org.chorale.model.layer.Parameter;
import org.chorale.model.layer.Recompute;
import org.chorale.model.layer.RecomputePlan;
import org.chorale.tensor.NativeMemory;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.collective.CollectiveException;
import org.chorale.tensor.collective.Collectives;
import org.chorale.tensor.collective.RankThreads;
import org.chorale.tensor.device.Device;
import org.chorale.training.RankRun.Setup;
import org.chorale.training.optimizer.AdamW;
import org.chorale.training.optimizer.Optimizer;
import org.chorale.training.shard.ModelShard;
import org.chorale.training.shard.Precision;
import org.chorale.training.shard.RankGroups;
import org.chorale.training.shard.RankShards;
import org.chorale.training.shard.RankShards.Mode;
import org.chorale.training.shard.UnitLayout;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What ranks that step together promise, besides the numbers of one rank. */
final class RankStepTest {
    @TempDir
    private Path directory;

    private static Setup setup(int worldSize, Mode mode, Precision precision) {
        return new Setup(worldSize, mode, true, 2, Recompute.NONE, precision, 1);
    }

    @ParameterizedTest
    @CsvSource({"3, FULL_SHARD", "4, HYBRID", "2, OPTIMIZER_ONLY"})
    void delaysOfAnyRankChangeNoBit(int worldSize, Mode mode) {
        try (ModelFolder folder = TinyModel.unbiased(directory, false)) {
            Setup setup = setup(worldSize, mode, Precision.FP32);
            RankRun prompt = RankRun.of(folder, setup);
            RankRun delayed = RankRun.of(folder, setup, world -> {
                Random random = new Random(world.rank());
                return new InterceptedRanks(
                        world,
                        () -> LockSupport.parkNanos(random.nextInt(4) == 0 ? TimeUnit.MILLISECONDS.toNanos(2) : 0));
            });
            assertThat(delayed.results()).isEqualTo(prompt.results());
            prompt.weights()
                    .forEach((name, values) ->
                            assertThat(delayed.weights().get(name)).as(name).isEqualTo(values));
        }
    }

    @ParameterizedTest
    @CsvSource({"2, FULL_SHARD, BF16", "3, OPTIMIZER_ONLY, BF16", "4, HYBRID, FP16", "2, KEEP_GATHERED, FP16"})
    void halfPrecisionFollowsTheSameCurveOnManyRanks(int worldSize, Mode mode, Precision precision) {
        try (ModelFolder folder = TinyModel.unbiased(directory, true)) {
            RankRun one = RankRun.of(folder, Setup.alone(precision, 1));
            RankRun many = RankRun.of(folder, setup(worldSize, mode, precision));
            for (int i = 0; i < RankRun.STEPS; i++) {
                StepResult expected = one.results().get(i);
                StepResult actual = many.results().get(i);
                assertThat(actual.skipped()).isEqualTo(expected.skipped());
                assertThat(actual.overflow()).isEqualTo(expected.overflow());
                assertThat(actual.lossNats()).isCloseTo(expected.lossNats(), within(1e-2 * expected.lossNats()));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 7, 20, 33, 64})
    void aRankThatFailsAnywhereInAStepEndsTheOthersToo(int operation) {
        AtomicInteger operations = new AtomicInteger();
        try (ModelFolder folder = TinyModel.unbiased(directory, false)) {
            Throwable failure = catchThrowable(() -> RankRun.of(
                    folder,
                    setup(3, Mode.FULL_SHARD, Precision.FP32),
                    world -> new InterceptedRanks(world, () -> {
                        if (world.rank() == 1 && operations.incrementAndGet() == operation) {
                            throw new IllegalStateException("rank 1 breaks");
                        }
                    })));
            assertThat(failure).isInstanceOf(AssertionError.class);
            List<Throwable> all = new ArrayList<>(List.of(failure.getSuppressed()));
            all.add(failure.getCause());
            assertThat(all).hasSize(3);
            assertThat(all)
                    .filteredOn(one -> one instanceof IllegalStateException)
                    .hasSize(1);
            assertThat(all)
                    .filteredOn(one -> one instanceof CollectiveException)
                    .hasSize(2);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "FULL_SHARD, 1, FP32",
        "FULL_SHARD, 2, BF16",
        "FULL_SHARD, 3, FP32",
        "FULL_SHARD, 4, FP16",
        "KEEP_GATHERED, 4, BF16",
        "HYBRID, 4, BF16"
    })
    void aRankHoldsItsPartOfEverythingAndNoMore(Mode mode, int worldSize, Precision precision) {
        int parts = mode.shardSize(worldSize);
        try (ModelFolder folder = TinyModel.folder(directory, false)) {
            RankThreads.run(worldSize, world -> {
                try (Bench bench = new Bench(folder, precision, mode.groups(world, true))) {
                    long elements = bench.shard.groups().stream()
                            .mapToLong(group -> group.layout().elements())
                            .sum();
                    long padded = (long) bench.shard.groups().size() * parts * 128;
                    long whole = folder.units().stream()
                            .map(unit -> UnitLayout.whole(unit, precision))
                            .flatMap(unit -> unit.groups().stream())
                            .mapToLong(UnitLayout.Group::elements)
                            .sum();
                    assertThat(elements).isBetween(whole, whole + padded);
                    long perRank = elements / parts;
                    Holding holding = Holding.of(bench.shard, bench.optimizer);
                    long counters = 4;
                    assertThat(holding.parameterBytes())
                            .as("fp32; what is rounded to the precision is so for a gather alone")
                            .isEqualTo(4 * perRank);
                    assertThat(holding.gradientBytes()).isEqualTo(4 * perRank);
                    assertThat(holding.optimizerBytes()).isEqualTo(2 * 4 * perRank + counters);
                }
            });
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = Mode.class,
            names = {"OPTIMIZER_ONLY", "REPLICATE"})
    void whereValuesAreAlwaysThereTheyAreHeldWhole(Mode mode) {
        try (ModelFolder folder = TinyModel.folder(directory, false)) {
            RankThreads.run(2, world -> {
                try (Bench bench = new Bench(folder, Precision.FP32, mode.groups(world, true))) {
                    long elements = bench.shard.groups().stream()
                            .mapToLong(group -> group.layout().elements())
                            .sum();
                    long held = elements / mode.shardSize(2);
                    Holding holding = Holding.of(bench.shard, bench.optimizer);
                    assertThat(holding.parameterBytes()).isEqualTo(4 * elements);
                    assertThat(holding.gradientBytes()).isEqualTo(4 * held);
                    assertThat(holding.optimizerBytes()).isEqualTo(8 * held + 4);
                }
            });
        }
    }

    @Test
    void fullShardNeverHasMoreThanAFewUnitsWhole() {
        Map<Mode, Long> peaks = new ConcurrentHashMap<>();
        try (ModelFolder folder = TinyModel.deep(directory, 8)) {
            long[] units = folder.units().stream()
                    .map(unit -> UnitLayout.whole(unit, Precision.FP32))
                    .mapToLong(unit -> unit.groups().get(0).elements())
                    .sorted()
                    .toArray();
            for (Mode mode : List.of(Mode.FULL_SHARD, Mode.KEEP_GATHERED)) {
                RankThreads.run(2, world -> {
                    try (Bench bench = new Bench(folder, Precision.FP32, mode.groups(world, true))) {
                        bench.run(world, 2);
                        peaks.put(mode, bench.shard.peakBufferBytes() - bench.shard.gradientBytes());
                    }
                });
            }
            long padding = 256;
            long largest = 4 * (units[units.length - 1] + padding);
            // values of the open unit and the next one, gradients of the open one, of the one on its way and its sum
            assertThat(peaks.get(Mode.FULL_SHARD)).isBetween(2 * largest, 5 * largest);
            assertThat(peaks.get(Mode.KEEP_GATHERED))
                    .isGreaterThan(4 * Arrays.stream(units).sum());
        }
    }

    @ParameterizedTest
    @CsvSource({
        "FULL_SHARD, 2, true, 1, false",
        "FULL_SHARD, 2, true, 1, true",
        "FULL_SHARD, 3, true, 3, false",
        "FULL_SHARD, 2, false, 2, true",
        "KEEP_GATHERED, 2, false, 1, false",
        "KEEP_GATHERED, 2, false, 2, false",
        "KEEP_GATHERED, 2, true, 2, true",
        "OPTIMIZER_ONLY, 2, false, 2, false",
        "HYBRID, 4, true, 1, true",
        "REPLICATE, 2, false, 2, false"
    })
    void whatComesAndGoesInAStepIsForecast(Mode mode, int worldSize, boolean often, int microBatches, boolean tied) {
        try (ModelFolder folder = TinyModel.unbiased(directory, tied)) {
            RankThreads.run(worldSize, world -> {
                try (Bench bench = new Bench(folder, Precision.BF16, mode.groups(world, often))) {
                    bench.step(world, 1, false, microBatches);
                    double most =
                            (double) bench.shard.forecast(microBatches > 1).mostBytes();
                    assertThat((double) bench.shard.peakBufferBytes()).isBetween(0.8 * most, most);
                }
            });
        }
    }

    @ParameterizedTest
    @CsvSource({"FULL_SHARD, 2", "KEEP_GATHERED, 2", "OPTIMIZER_ONLY, 2", "HYBRID, 4"})
    void gradientsOfWhichOthersHoldPartsAreThereUntilTheOptimizerHasUsedThem(Mode mode, int worldSize) {
        try (ModelFolder folder = TinyModel.folder(directory, false)) {
            RankThreads.run(worldSize, world -> {
                List<Long> duringStep = new ArrayList<>();
                try (Bench bench = new Bench(folder, Precision.BF16, mode.groups(world, true))) {
                    Optimizer watched = new WatchedOptimizer(
                            bench.optimizer, () -> duringStep.add(bench.shard.presentGradientBytes()));
                    List<MicroBatch> batches = RankRun.part(RankRun.globalBatch(1), world.rank(), worldSize, 2);
                    new TrainStep(bench.shard, watched, 1).run(batches, 1e-3);
                    assertThat(duringStep).containsExactly(bench.shard.gradientBytes());
                    assertThat(bench.shard.gradientBytes()).isPositive();
                    assertThat(bench.shard.presentGradientBytes()).isZero();
                    assertThatThrownBy(bench.shard.groups().get(0)::gradients)
                            .hasMessageEndingWith("has no gradients outside of a step");
                }
            });
        }
    }

    @Test
    void gradientsThatNoMicroBatchHasAddedToAreZero() {
        try (ModelFolder folder = TinyModel.folder(directory, false)) {
            RankThreads.run(2, world -> {
                try (TensorScope scope = new TensorScope();
                        Bench bench = new Bench(folder, Precision.FP32, Mode.FULL_SHARD.groups(world, true))) {
                    bench.shard.beginStep(1);
                    bench.shard.endBackward();
                    assertThat(bench.shard.groups())
                            .allMatch(group -> group.gradients().count_nonzero().item_long() == 0);
                }
            });
        }
    }

    @Test
    void allLearnThatOneOfThemWasToldToStop() {
        try (ModelFolder folder = TinyModel.folder(directory, false)) {
            RankThreads.run(3, world -> {
                try (Bench bench = new Bench(folder, Precision.FP32, Mode.FULL_SHARD.groups(world, true))) {
                    assertThat(bench.step(world, 1, false).stop()).isFalse();
                    assertThat(bench.step(world, 2, world.rank() == 1).stop()).isTrue();
                    assertThat(bench.step(world, 3, false).stop()).isFalse();
                }
            });
        }
    }

    @Test
    void aParameterOfAClosedUnitIsNotThereAndSaysSo() {
        try (ModelFolder folder = TinyModel.folder(directory, false)) {
            RankThreads.run(2, world -> {
                try (Bench bench = new Bench(folder, Precision.FP32, Mode.FULL_SHARD.groups(world, true))) {
                    bench.run(world, 1);
                    Parameter norm = bench.shard.parameter("model.layers.1.input_layernorm.weight");
                    assertThatThrownBy(norm::value)
                            .isInstanceOf(IllegalStateException.class)
                            .hasMessage("the value of model.layers.1.input_layernorm.weight is not there: the unit"
                                    + " model.layers.1 is not open for it");
                    assertThatThrownBy(norm::gradient)
                            .hasMessageStartingWith("the gradient of model.layers.1.input_layernorm.weight is not");
                    bench.shard.view().units().open("model.layers.1");
                    assertThat(norm.value().numel()).isEqualTo(24);
                    assertThatThrownBy(norm::gradient).isInstanceOf(IllegalStateException.class);
                    bench.shard.view().units().openForBackward("model.layers.1");
                    assertThat(norm.gradient()).isNotNull();
                    bench.shard.view().units().close("model.layers.1");
                    assertThatThrownBy(norm::value).isInstanceOf(IllegalStateException.class);
                }
            });
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    void anEvaluationIsThatOfAllRanks(int worldSize) {
        MicroBatch batch = TinyModel.batch(6, 5, 10);
        try (ModelFolder folder = TinyModel.folder(directory, false);
                ModelShard alone = ModelShard.whole(folder, Device.CPU)) {
            Evaluation expected = new Evaluation(alone);
            expected.add(batch);
            RankThreads.run(worldSize, world -> {
                try (Bench bench = new Bench(folder, Precision.FP32, Mode.FULL_SHARD.groups(world, true))) {
                    for (int twice = 0; twice < 2; twice++) {
                        Evaluation evaluation = new Evaluation(bench.shard);
                        RankRun.part(batch, world.rank(), worldSize, 4).forEach(evaluation::add);
                        evaluation.finish(world);
                        assertThat(evaluation.examples()).isEqualTo(5);
                        assertThat(evaluation.judged())
                                .isEqualTo(expected.judged())
                                .isPositive();
                        assertThat(evaluation.exact()).isEqualTo(expected.exact());
                        assertThat(evaluation.trainedTokens()).isEqualTo(expected.trainedTokens());
                        assertThat(evaluation.lossNats()).isCloseTo(expected.lossNats(), within(1e-6));
                    }
                }
            });
        }
    }

    @ParameterizedTest
    @CsvSource({
        "FULL_SHARD, 2, 100",
        "KEEP_GATHERED, 2, 20",
        "OPTIMIZER_ONLY, 2, 20",
        "REPLICATE, 2, 20",
        "HYBRID, 4, 20"
    })
    void nativeMemoryStaysFlat(Mode mode, int worldSize, int steps) {
        try (ModelFolder folder = TinyModel.folder(directory, true)) {
            List<Long> live = new CopyOnWriteArrayList<>();
            CyclicBarrier all = new CyclicBarrier(worldSize, () -> live.add(NativeMemory.liveReferences()));
            RankThreads.run(worldSize, world -> {
                try (Bench bench = new Bench(folder, Precision.BF16, mode.groups(world, false))) {
                    bench.run(world, 5);
                    all.await(30, TimeUnit.SECONDS);
                    bench.run(world, steps);
                    all.await(30, TimeUnit.SECONDS);
                }
            });
            assertThat(live).hasSize(2);
            assertThat(live.get(1)).isEqualTo(live.get(0));
        }
    }

    /** A rank's model and optimizer; owns its groups but for the world's. */
    private static final class Bench implements AutoCloseable {
        private final RankGroups ranks;
        private final ModelShard shard;
        private final AdamW optimizer;
        private final TrainStep step;

        Bench(ModelFolder folder, Precision precision, RankGroups ranks) {
            this.ranks = ranks;
            this.shard = RankShards.load(folder, precision, ranks);
            shard.model().recompute(new RecomputePlan(1, 2));
            this.optimizer = new AdamW(TinyModel.OPTIMIZER, shard.groups());
            this.step = new TrainStep(shard, optimizer, 1);
        }

        StepResult step(Collectives world, int number, boolean stop) {
            return step(world, number, stop, 2);
        }

        StepResult step(Collectives world, int number, boolean stop, int microBatches) {
            List<MicroBatch> batches =
                    RankRun.part(RankRun.globalBatch(number), world.rank(), world.worldSize(), microBatches);
            return step.run(number, batches, 1e-3, stop);
        }

        void run(Collectives world, int steps) {
            for (int i = 1; i <= steps; i++) {
                step(world, i, false);
            }
        }

        @Override
        public void close() {
            Stream.<AutoCloseable>of(optimizer, shard, ranks.replicas(), ranks.shard())
                    .forEach(RankStepTest::close);
        }
    }

    private static void close(AutoCloseable resource) {
        try {
            resource.close();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }
}
