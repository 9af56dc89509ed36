// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch_cuda;
import org.bytedeco.pytorch.global.torch_cuda.SyncDebugMode;
import org.chorale.model.ModelFolder;
import org.chorale.model.ParameterSource;
import org.chorale.model.adapter.LoraConfig;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.collective.Collectives;
import org.chorale.tensor.collective.Collectives.Reduction;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.device.DeviceMemory;
import org.chorale.tensor.device.MatmulPeak;
import org.chorale.tensor.device.Tf32;
import org.chorale.tensor.profile.Recording;
import org.chorale.tensor.profile.StepLanes;
import org.chorale.training.ActivationPlan;
import org.chorale.training.MicroBatch;
import org.chorale.training.ModelFlops;
import org.chorale.training.PendingStep;
import org.chorale.training.TrainStep;
import org.chorale.training.optimizer.AdamW;
import org.chorale.training.optimizer.OptimizerConfig;
import org.chorale.training.shard.ModelShard;
import org.chorale.training.shard.RankGroups;
import org.chorale.training.shard.UnitLayout;

/**
 * One row of the table of speeds on GPUs: a model of the row's shape with random weights trains on one batch of random
 * tokens, AdamW and clipping included. Prints Markdown, and a line of JSON. Of several GPUs, each with a process of its
 * own, it tells of the slowest, and of the fullest.
 *
 * <p>Arguments: a row, and settings that differ from its own; {@link BenchSetup} says which.
 */
public final class GpuStepBench {
    /** Beside the first steps: until the virtual machine has compiled what it runs. */
    private static final long WARM_UP_NANOS = 3_000_000_000L;

    private static final int PROFILED_STEPS = 5;
    private static final Duration PATIENCE = Duration.ofMinutes(1);
    private static final double CLIP_NORM = 1;
    private static final double WEIGHT_DECAY = 0.01;
    private static final double GIB = 1 << 30;

    private final BenchSetup setup;
    private final Collectives world;
    private final TrainStep step;
    private final List<MicroBatch> batch;

    private GpuStepBench(BenchSetup setup, Collectives world, TrainStep step) {
        this.setup = setup;
        this.world = world;
        this.step = step;
        this.batch = List.of(batch(setup, world.rank()));
    }

    /** Measures and prints. */
    public static void main(String[] arguments) throws IOException, InterruptedException {
        BenchSetup setup;
        try {
            setup = BenchSetup.parse(arguments);
        } catch (IllegalArgumentException e) {
            System.err.println(e.getMessage());
            System.exit(2);
            return;
        }
        if (setup.ranks() > 1) {
            System.exit(RankStepBench.startAll(setup, arguments));
        }
        run(setup, RankGroups.alone(), Provenance.of(setup.device(), arguments), System.out);
    }

    /** Called by all ranks. */
    static void run(BenchSetup setup, RankGroups ranks, Provenance provenance, PrintStream out) throws IOException {
        Device device = setup.device();
        device.bind();
        Tf32.allow(setup.tf32());
        double matmulFlops = MatmulPeak.flopsPerSecond(device); // makes the first tensor there
        if (setup.memoryGib() > 0) {
            DeviceMemory.setFraction(device, Math.min(1, setup.memoryGib() * GIB / DeviceMemory.totalBytes(device)));
        }
        Path folder = Files.createTempDirectory("chorale-bench");
        try {
            Files.writeString(folder.resolve("config.json"), setup.row().shape().json(setup.tokens()));
            GpuResult result = measure(setup, ranks, folder, matmulFlops);
            out.print(result.table());
            out.println(provenance.addTo(result.json()));
        } finally {
            Files.deleteIfExists(folder.resolve("config.json"));
            Files.delete(folder);
        }
    }

    private static GpuResult measure(BenchSetup setup, RankGroups ranks, Path folder, double matmulFlops) {
        OptimizerConfig settings = OptimizerConfig.adamW(setup.row().learningRate(), WEIGHT_DECAY, CLIP_NORM);
        ModelFolder model = open(setup, folder);
        try (ParameterSource weights = new DrawnWeights(model);
                ModelShard shard = shard(setup, ranks, model)) {
            shard.load(weights);
            try (AdamW optimizer = new AdamW(settings, shard.groups())) {
                ActivationPlan activations =
                        ActivationPlan.apply(setup.recompute(), shard, setup.sequences(), setup.tokens(), false);
                TrainStep step = new TrainStep(shard, optimizer, settings.clipNorm());
                double flops = ModelFlops.of(model.config(), model.units()).perToken(setup.tokens());
                return new GpuStepBench(setup, ranks.world(), step).measure(activations, flops, matmulFlops);
            }
        }
    }

    private static ModelFolder open(BenchSetup setup, Path folder) {
        ModelFolder model = ModelFolder.random(folder, 0);
        int rank = setup.row().adapterRank();
        ModelFolder adapted = rank == 0 ? model : model.adapted(LoraConfig.allLinear(rank, 2.0 * rank), 0);
        return setup.fp8().map(adapted::with).orElse(adapted);
    }

    private static ModelShard shard(BenchSetup setup, RankGroups ranks, ModelFolder model) {
        List<UnitLayout> plan = model.units().stream()
                .map(unit -> {
                    UnitLayout whole = UnitLayout.whole(unit, setup.precision(), model::isGatheredInFp8);
                    return RankCut.of(layout(setup, whole), ranks.shard());
                })
                .toList();
        return new ModelShard(model, plan, ranks, setup.device());
    }

    private static UnitLayout layout(BenchSetup setup, UnitLayout unit) {
        return setup.expertsApart() ? ExpertGap.in(unit) : unit;
    }

    /** Full sequences, the same in each step, so that the loss falls if anything is learnt at all. */
    private static MicroBatch batch(BenchSetup setup, int rank) {
        long[] tokens = new Random(7 + rank)
                .longs(
                        (long) setup.sequences() * setup.tokens(),
                        0,
                        setup.row().shape().vocabulary())
                .toArray();
        return MicroBatch.rightPadded(setup.sequences(), setup.tokens(), tokens, tokens);
    }

    private GpuResult measure(ActivationPlan activations, double flopsPerToken, double matmulFlops) {
        Device device = setup.device();
        if (device.isCuda()) {
            DeviceMemory.resetPeaks(device);
        }
        long heldBytes = allocatedBytes();
        double firstLoss = step();
        long started = System.nanoTime();
        int steps = 1;
        while (largest(steps < BenchSetup.WARM_UP_STEPS || System.nanoTime() - started < WARM_UP_NANOS ? 1 : 0) > 0) {
            step();
            steps++;
        }
        long allocatedBytes = allocatedBytes();
        refuseWaits();
        double[] stepSeconds = new double[setup.steps()];
        for (int i = 0; i < stepSeconds.length; i++) {
            stepSeconds[i] = seconds(1);
        }
        double blockSeconds = seconds(setup.steps());
        double lastLoss = step();
        long grownBytes = allocatedBytes() - allocatedBytes;
        if (grownBytes != 0) {
            throw new IllegalStateException(
                    "device memory has grown by %d bytes in %d steps".formatted(grownBytes, 2 * setup.steps() + 1));
        }
        if (!Double.isFinite(lastLoss)) {
            throw new IllegalStateException("the loss is not finite, so what was timed is no training");
        }
        setup.profile().ifPresent(this::profile);
        Optional<DeviceMemory> memory =
                device.isCuda() ? Optional.of(largest(DeviceMemory.of(device))) : Optional.empty();
        return new GpuResult(
                setup,
                activations.words(),
                heldBytes + activations.peakBytes(),
                Arrays.stream(stepSeconds).map(this::largest).toArray(),
                largest(blockSeconds),
                memory,
                flopsPerToken,
                matmulFlops,
                firstLoss,
                lastLoss);
    }

    private DeviceMemory largest(DeviceMemory own) {
        return new DeviceMemory(
                (long) largest((double) own.allocatedBytes()),
                (long) largest((double) own.reservedBytes()),
                (long) largest((double) own.peakAllocatedBytes()),
                (long) largest((double) own.peakReservedBytes()));
    }

    /** Of all ranks. */
    private double largest(double own) {
        try (TensorScope scope = new TensorScope()) {
            Tensor value = HostTensors.ofDoubles(new double[] {own}, 1);
            world.allReduce(value, Reduction.MAX).await();
            return value.item_double();
        }
    }

    private double seconds(int steps) {
        setup.device().await();
        long started = System.nanoTime();
        PendingStep before = begin();
        for (int i = 1; i < steps; i++) { // a step is read after the next has begun, as in a run
            PendingStep next = begin();
            read(before);
            before = next;
        }
        read(before);
        setup.device().await();
        return (System.nanoTime() - started) / 1e9;
    }

    /** A few steps more, enqueued and read as in a run. */
    private void profile(Path file) {
        setup.device().await();
        try (Recording recording = Recording.start(setup.device())) {
            world.recordIn(recording);
            StepLanes lanes = new StepLanes(recording);
            PendingStep before = begun(lanes, 1);
            for (int i = 2; i <= PROFILED_STEPS; i++) {
                PendingStep next = begun(lanes, i);
                over(lanes, i - 1, before);
                before = next;
            }
            over(lanes, PROFILED_STEPS, before);
            recording.stop(PATIENCE).write(file, Map.of("row", setup.row().word()));
        }
    }

    private PendingStep begun(StepLanes lanes, int number) {
        long started = System.nanoTime();
        PendingStep begun = begin();
        lanes.begun(number, started);
        return begun;
    }

    private static void over(StepLanes lanes, int number, PendingStep begun) {
        long started = System.nanoTime();
        read(begun);
        lanes.over(number, started);
    }

    private double step() {
        return read(begin());
    }

    private PendingStep begin() {
        return step.begin(0, batch, setup.row().learningRate(), false);
    }

    /**
     * From here on libtorch refuses whatever lets the host wait for the GPU; a step's numbers are waited for by events. Where
     * experts are computed one by one, the host has to know how many rows each has.
     */
    private void refuseWaits() {
        if (setup.device().isCuda() && !setup.expertsApart()) {
            torch_cuda.warning_state().set_sync_debug_mode(SyncDebugMode.L_ERROR);
        }
    }

    private static double read(PendingStep begun) {
        try (begun) {
            return begun.await().lossNats();
        }
    }

    /** 0 on the CPU. */
    private long allocatedBytes() {
        Device device = setup.device();
        return device.isCuda() ? DeviceMemory.of(device).allocatedBytes() : 0;
    }
}
