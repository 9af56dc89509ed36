// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ModelFolder;
import org.chorale.model.fp8.Fp8Rule;
import org.chorale.model.fp8.Fp8Scaling;
import org.chorale.model.layer.Recompute;
import org.chorale.model.layer.RecomputePlan;
import org.chorale.model.outline.UnitOutline;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.collective.Collectives;
import org.chorale.tensor.collective.Collectives.Reduction;
import org.chorale.training.MicroBatch;
import org.chorale.training.TrainStep;
import org.chorale.training.optimizer.AdamW;
import org.chorale.training.optimizer.Optimizer;
import org.chorale.training.optimizer.OptimizerConfig;
import org.chorale.training.shard.FlatGroup;
import org.chorale.training.shard.Gathering;
import org.chorale.training.shard.ModelShard;
import org.chorale.training.shard.Precision;
import org.chorale.training.shard.RankGroups;
import org.chorale.training.shard.UnitLayout;
import org.chorale.training.shard.UnitLayout.Slice;

/**
 * A small Llama on several GPUs against the same on one: gradients of the first step and losses of ten, in every mode
 * (hybrid, two copies, from four GPUs on), in fp32 and with bf16 compute, from one micro-batch a step and from two; and
 * where its linears are FP8, with weights that are gathered in FP8 against the same with a gather in bf16. Prints a line
 * for each, the errors being the
 * largest difference over the largest number; goes on after a failure, and exits with 1 if there was one.
 *
 * <p>Arguments: the number of GPUs, and {@code cpu} to try it without any, or {@code cuda-shared} on one that all ranks
 * share.
 */
public final class ShardCheck {
    private static final long MINUTES = 8;
    private static final int STEPS = 10;
    private static final int TOKENS = 64; // T
    private static final int ROWS = 8; // of all ranks and micro-batches together
    private static final double RATE = 1e-3;
    private static final double CLIP_NORM = 1;
    private static final double NO_CLIPPING = 1e9; // norms are sums over buffers, which are others with a gather in FP8
    private static final BenchRow.Shape SHAPE = BenchRow.Shape.TINY;

    private final RankPlace place;
    private final Collectives world;
    private int failures;

    /** What a mode does with values, and how many copies of the model all ranks hold together. */
    private enum Mode {
        FULL_SHARD(Gathering.PER_USE),
        KEEP_GATHERED(Gathering.PER_STEP),
        OPTIMIZER_ONLY(Gathering.ALWAYS),
        REPLICATE(Gathering.ALWAYS),
        HYBRID(Gathering.PER_USE);

        private final Gathering gathering;

        Mode(Gathering gathering) {
            this.gathering = gathering;
        }

        int copies(int worldSize) {
            return switch (this) {
                case FULL_SHARD, KEEP_GATHERED, OPTIMIZER_ONLY -> 1;
                case REPLICATE -> worldSize;
                case HYBRID -> 2;
            };
        }

        /** Two ranks that are no copies of each other make a hybrid. */
        boolean isPossible(int worldSize) {
            return this != HYBRID || (worldSize >= 4 && worldSize % 2 == 0);
        }
    }

    /** What is trained. */
    private record Task(Precision precision, Optional<Fp8Rule> fp8, double clipNorm, int microBatches) {
        Task(Precision precision, int microBatches) {
            this(precision, Optional.empty(), CLIP_NORM, microBatches);
        }

        static Task fp8(Precision precision, boolean gather, int microBatches) {
            Fp8Rule rule = new Fp8Rule(Fp8Scaling.TENSOR, List.of(), List.of(), gather);
            return new Task(precision, Optional.of(rule), NO_CLIPPING, microBatches);
        }

        ModelFolder open(Path folder) {
            ModelFolder model = ModelFolder.random(folder, 1);
            return fp8.map(model::with).orElse(model);
        }

        UnitLayout layout(UnitOutline unit, ModelFolder model, RankGroups ranks) {
            return RankCut.of(UnitLayout.whole(unit, precision, model::isGatheredInFp8), ranks.shard());
        }
    }

    /** @param gradients of the first step, by parameter, flat, of all of it */
    private record Trained(List<Double> losses, Map<String, float[]> gradients) {}

    private ShardCheck(RankPlace place, Collectives world) {
        this.place = place;
        this.world = world;
    }

    /** Without a folder of {@link RankProcesses} in front of them, starts all ranks. */
    public static void main(String[] arguments) throws Exception {
        RankDevices devices = RankDevices.among(Arrays.asList(arguments));
        if (arguments.length < RankPlace.ARGUMENTS) {
            System.exit(startAll(arguments.length == 0 ? 2 : Integer.parseInt(arguments[0]), devices));
        }
        RankPlace place = RankPlace.of(arguments, devices);
        place.device().bind();
        int failures;
        try (Collectives world = place.join("world")) {
            ShardCheck check = new ShardCheck(place, world);
            check.run();
            failures = check.failures;
            world.barrier().await();
        }
        System.exit(failures == 0 ? 0 : 1);
    }

    private static int startAll(int worldSize, RankDevices devices) throws IOException, InterruptedException {
        List<Process> all = new ArrayList<>();
        try (RankProcesses ranks = new RankProcesses(ShardCheck.class, worldSize, devices, List.of(devices.word()))) {
            for (int rank = 0; rank < worldSize; rank++) {
                all.add(ranks.start(rank));
            }
            return RankProcesses.await(all, MINUTES);
        }
    }

    private void run() throws IOException {
        Path folder = Files.createDirectories(place.folder().resolve("model-" + place.rank()));
        Files.writeString(folder.resolve("config.json"), SHAPE.json(TOKENS));
        for (Precision precision : List.of(Precision.FP32, Precision.BF16, Precision.BF16_TRUE)) {
            for (int microBatches : new int[] {1, 2}) {
                Task task = new Task(precision, microBatches);
                double tolerance = precision == Precision.FP32 ? 1e-4 : 1e-2;
                Trained alone = train(folder, task, RankGroups.alone());
                for (Mode mode : modes()) {
                    String name = "%s %s, %d micro-batches".formatted(mode, precision, microBatches);
                    int copies = mode.copies(world.worldSize());
                    try (ModelCopies all = ModelCopies.of(world, name, copies, mode.gathering)) {
                        compare(name, tolerance, alone, train(folder, task, all.ranks()));
                    }
                }
            }
        }
        for (Precision precision : List.of(Precision.BF16, Precision.BF16_TRUE)) {
            for (Mode mode : List.of(Mode.FULL_SHARD, Mode.KEEP_GATHERED)) {
                gatherInFp8(folder, precision, mode);
            }
        }
    }

    /** Two ranks have the same bits; more may add gradients in another order, since their buffers are cut elsewhere. */
    private void gatherInFp8(Path folder, Precision precision, Mode mode) {
        for (int microBatches : new int[] {1, 2}) {
            String name = "%s %s, %d micro-batches, gathered in FP8".formatted(mode, precision, microBatches);
            try (ModelCopies copies = ModelCopies.of(world, name, 1, mode.gathering)) {
                Trained bf16 = train(folder, Task.fp8(precision, false, microBatches), copies.ranks());
                Trained fp8 = train(folder, Task.fp8(precision, true, microBatches), copies.ranks());
                compare(name, world.worldSize() <= 2 ? 0 : 1e-2, whole(bf16), whole(fp8));
            }
        }
    }

    /** With the gradients that others hold. */
    private Trained whole(Trained own) {
        Map<String, float[]> gradients = new HashMap<>();
        new TreeMap<>(own.gradients).forEach((name, values) -> gradients.put(name, sum(values)));
        return new Trained(own.losses, gradients);
    }

    /** Over all ranks, each of which has NaN where another has a number. */
    private float[] sum(float[] values) {
        double[] numbers = IntStream.range(0, values.length)
                .mapToDouble(i -> Float.isNaN(values[i]) ? 0 : values[i])
                .toArray();
        try (TensorScope scope = new TensorScope()) {
            Tensor all = HostTensors.ofDoubles(numbers, numbers.length);
            world.allReduce(all, Reduction.SUM).await();
            float[] sum = new float[values.length];
            all.to(ScalarType.Float).<FloatBuffer>createBuffer().get(sum);
            return sum;
        }
    }

    private List<Mode> modes() {
        return Arrays.stream(Mode.values())
                .filter(mode -> mode.isPossible(world.worldSize()))
                .toList();
    }

    private Trained train(Path folder, Task task, RankGroups ranks) {
        OptimizerConfig settings = OptimizerConfig.adamW(RATE, 0, task.clipNorm);
        try (ModelFolder model = task.open(folder);
                ModelShard shard = new ModelShard(
                        model,
                        model.units().stream()
                                .map(unit -> task.layout(unit, model, ranks))
                                .toList(),
                        ranks,
                        place.device())) {
            shard.model().recompute(RecomputePlan.every(Recompute.FULL));
            shard.load(model);
            try (AdamW optimizer = new AdamW(settings, shard.groups())) {
                List<Double> losses = new ArrayList<>();
                Map<String, float[]> gradients = new HashMap<>();
                Optimizer watched = new WatchedOptimizer(optimizer, divisor -> {}, () -> {
                    if (losses.isEmpty()) {
                        shard.groups().forEach(group -> readInto(gradients, group));
                    }
                });
                TrainStep step = new TrainStep(shard, watched, task.clipNorm);
                for (int i = 0; i < STEPS; i++) {
                    losses.add(step.run(batches(i, ranks.world(), task.microBatches), RATE)
                            .lossNats());
                }
                return new Trained(losses, gradients);
            }
        }
    }

    /** This rank's rows of a step, those of all ranks together being the same whatever their number. */
    private static List<MicroBatch> batches(int step, Collectives world, int microBatches) {
        int rows = ROWS / world.worldSize() / microBatches;
        long[] all = new Random(step)
                .longs((long) ROWS * TOKENS, 0, SHAPE.vocabulary())
                .toArray();
        return IntStream.range(0, microBatches)
                .mapToObj(i -> {
                    int from = (world.rank() * microBatches + i) * rows * TOKENS;
                    long[] tokens = Arrays.copyOfRange(all, from, from + rows * TOKENS);
                    return MicroBatch.rightPadded(rows, TOKENS, tokens, tokens);
                })
                .toList();
    }

    /** What this rank holds of a group's gradients, NaN elsewhere. */
    private static void readInto(Map<String, float[]> gradients, FlatGroup group) {
        try (TensorScope scope = new TensorScope()) {
            float[] held = new float[(int) group.layout().held()];
            Tensor host = group.gradients().cpu();
            host.<FloatBuffer>createBuffer().get(held);
            group.layout()
                    .segments()
                    .forEach(segment -> gradients.put(segment.parameter(), nothing(segment.elements())));
            for (Slice slice : group.layout().slices()) {
                float[] whole =
                        Objects.requireNonNull(gradients.get(slice.segment().parameter()));
                System.arraycopy(held, (int) slice.at(), whole, (int) slice.from(), (int) slice.elements());
            }
        }
    }

    private static float[] nothing(long elements) {
        float[] values = new float[(int) elements];
        Arrays.fill(values, Float.NaN);
        return values;
    }

    /** What ranks found together against what one did alone, or what they did in another way. */
    private void compare(String name, double tolerance, Trained alone, Trained together) {
        double largest = alone.gradients.values().stream()
                .mapToDouble(ShardCheck::largestOf)
                .max()
                .orElseThrow();
        double worst = 0;
        for (Map.Entry<String, float[]> own : together.gradients.entrySet()) {
            float[] expected = Objects.requireNonNull(alone.gradients.get(own.getKey()));
            for (int i = 0; i < expected.length; i++) {
                float found = own.getValue()[i]; // what others hold is theirs to compare
                worst = Float.isNaN(found) ? worst : Math.max(worst, Math.abs(found - expected[i]));
            }
        }
        report(name + ", gradients", worst / largest, tolerance);
        double difference = IntStream.range(0, STEPS)
                .mapToDouble(i -> Math.abs(together.losses.get(i) / alone.losses.get(i) - 1))
                .max()
                .orElseThrow();
        report(name + ", losses", difference, tolerance);
    }

    private static double largestOf(float[] values) {
        return IntStream.range(0, values.length)
                .mapToDouble(i -> Math.abs(values[i]))
                .max()
                .orElseThrow();
    }

    private void report(String what, double own, double tolerance) {
        double error = largest(own);
        boolean good = error <= tolerance;
        failures += good ? 0 : 1;
        if (place.rank() == 0) {
            System.out.println(String.format(
                    Locale.ROOT, "%s: error %.2g, tolerance %.0e, %s", what, error, tolerance, good ? "ok" : "FAIL"));
        }
    }

    /** Of all ranks. */
    private double largest(double own) {
        try (TensorScope scope = new TensorScope()) {
            Tensor value = HostTensors.ofDoubles(new double[] {own}, 1);
            world.allReduce(value, Reduction.MAX).await();
            return value.item_double();
        }
    }
}
