// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.bytedeco.pytorch.global.torch_cuda;
import org.bytedeco.pytorch.global.torch_cuda.SyncDebugMode;
import org.chorale.model.ModelFolder;
import org.chorale.model.ParameterSource;
import org.chorale.model.adapter.LoraConfig;
import org.chorale.model.fp8.Fp8Rule;
import org.chorale.model.layer.RecomputePlan;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.device.DeviceMemory;
import org.chorale.tensor.device.Tf32;
import org.chorale.training.MicroBatch;
import org.chorale.training.PendingStep;
import org.chorale.training.TrainStep;
import org.chorale.training.optimizer.AdamW;
import org.chorale.training.optimizer.OptimizerConfig;
import org.chorale.training.shard.ModelShard;
import org.chorale.training.shard.RankGroups;
import org.chorale.training.shard.UnitLayout;

/**
 * One row of the table of speeds on one GPU: a Llama of the row's shape with random weights trains on one batch of random
 * tokens, AdamW and clipping included. Prints Markdown, and a line of JSON.
 *
 * <p>Arguments: a row, and settings that differ from its own; {@link BenchSetup} says which.
 */
public final class GpuStepBench {
    /** Beside the first steps: until the virtual machine has compiled what it runs. */
    private static final long WARM_UP_NANOS = 3_000_000_000L;

    private static final double CLIP_NORM = 1;
    private static final double WEIGHT_DECAY = 0.01;
    private static final double GIB = 1 << 30;

    private final BenchSetup setup;
    private final TrainStep step;
    private final List<MicroBatch> batch;

    private GpuStepBench(BenchSetup setup, TrainStep step) {
        this.setup = setup;
        this.step = step;
        this.batch = List.of(batch(setup));
    }

    /** Measures and prints. */
    public static void main(String[] arguments) throws IOException {
        BenchSetup setup;
        try {
            setup = BenchSetup.parse(arguments);
        } catch (IllegalArgumentException e) {
            System.err.println(e.getMessage());
            System.exit(2);
            return;
        }
        run(setup, Provenance.of(setup.device(), arguments), System.out);
    }

    private static void run(BenchSetup setup, Provenance provenance, PrintStream out) throws IOException {
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
            GpuResult result = measure(setup, folder, matmulFlops);
            out.print(result.table());
            out.println(provenance.addTo(result.json()));
        } finally {
            Files.deleteIfExists(folder.resolve("config.json"));
            Files.delete(folder);
        }
    }

    private static GpuResult measure(BenchSetup setup, Path folder, double matmulFlops) {
        OptimizerConfig settings = OptimizerConfig.adamW(setup.row().learningRate(), WEIGHT_DECAY, CLIP_NORM);
        ModelFolder model = open(setup, folder);
        try (ParameterSource weights = new DrawnWeights(model);
                ModelShard shard = shard(setup, model)) {
            shard.load(weights);
            try (AdamW optimizer = new AdamW(settings, shard.groups())) {
                TrainStep step = new TrainStep(shard, optimizer, settings.clipNorm());
                double flops = ModelFlops.perToken(model.config(), model.units(), setup.tokens());
                return new GpuStepBench(setup, step).measure(flops, matmulFlops);
            }
        }
    }

    private static ModelFolder open(BenchSetup setup, Path folder) {
        ModelFolder model = ModelFolder.random(folder, 0);
        int rank = setup.row().adapterRank();
        ModelFolder adapted = rank == 0 ? model : model.adapted(LoraConfig.allLinear(rank, 2.0 * rank), 0);
        return setup.fp8()
                .map(scaling -> adapted.with(new Fp8Rule(scaling, List.of(), List.of())))
                .orElse(adapted);
    }

    private static ModelShard shard(BenchSetup setup, ModelFolder model) {
        List<UnitLayout> plan = model.units().stream()
                .map(unit -> UnitLayout.whole(unit, setup.precision()))
                .toList();
        ModelShard shard = new ModelShard(model, plan, RankGroups.alone(), setup.device());
        shard.model().recompute(RecomputePlan.every(setup.recompute()));
        return shard;
    }

    /** Full sequences, the same in each step, so that the loss falls if anything is learnt at all. */
    private static MicroBatch batch(BenchSetup setup) {
        long[] tokens = new Random(7)
                .longs(
                        (long) setup.sequences() * setup.tokens(),
                        0,
                        setup.row().shape().vocabulary())
                .toArray();
        return MicroBatch.rightPadded(setup.sequences(), setup.tokens(), tokens, tokens);
    }

    private GpuResult measure(double flopsPerToken, double matmulFlops) {
        Device device = setup.device();
        if (device.isCuda()) {
            DeviceMemory.resetPeaks(device);
        }
        double firstLoss = step();
        long started = System.nanoTime();
        for (int i = 1; i < BenchSetup.WARM_UP_STEPS || System.nanoTime() - started < WARM_UP_NANOS; i++) {
            step();
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
        Optional<DeviceMemory> memory = device.isCuda() ? Optional.of(DeviceMemory.of(device)) : Optional.empty();
        return new GpuResult(setup, stepSeconds, blockSeconds, memory, flopsPerToken, matmulFlops, firstLoss, lastLoss);
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

    private double step() {
        return read(begin());
    }

    private PendingStep begin() {
        return step.begin(0, batch, setup.row().learningRate(), false);
    }

    /** From here on libtorch refuses whatever lets the host wait for the GPU; a step's numbers are waited for by events. */
    private void refuseWaits() {
        if (setup.device().isCuda()) {
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
