// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.global.torch;
import org.chorale.model.ModelFolder;
import org.chorale.tensor.device.Device;
import org.chorale.training.MicroBatch;
import org.chorale.training.TrainStep;
import org.chorale.training.optimizer.AdamW;
import org.chorale.training.optimizer.OptimizerConfig;
import org.chorale.training.shard.ModelShard;

/**
 * The quickstart's step against a bare autograd loop of the same model, in one process: blocks of steps in turn, and the
 * ratio of their speeds block by block, so that a machine whose speed drifts does not decide.
 *
 * <p>Both train on the same batches from the same weights, and their losses are compared before anything is timed.
 * Argument: the quickstart's model folder. Prints Markdown.
 */
public final class StepBench {
    private static final int BLOCKS = 20;
    private static final int STEPS_PER_BLOCK = 20;
    private static final int WARM_UP_STEPS = 40;
    private static final int SEQUENCES = 32;
    private static final double LOSS_TOLERANCE = 1e-4;

    private StepBench() {}

    /** Runs and prints. */
    public static void main(String[] arguments) {
        OptimizerConfig settings = OptimizerConfig.adamW(1e-3, 0.01, 1.0);
        try (ModelFolder folder = ModelFolder.random(Path.of(arguments[0]), 42);
                ModelShard shard = ModelShard.whole(folder, Device.CPU);
                AdamW optimizer = new AdamW(settings, shard.groups());
                AutogradLlama bare = new AutogradLlama(folder.config(), settings, shard)) {
            TrainStep step = new TrainStep(shard, optimizer, settings.clipNorm());
            List<MicroBatch> batches = batches(folder.config().vocabulary());
            ToDoubleFunction<MicroBatch> ours =
                    batch -> step.run(List.of(batch), settings.learningRate()).lossNats();
            sameLosses(ours, bare::step, batches);
            measure(ours, bare::step, batches);
        }
    }

    /** Shaped like the quickstart's: a prompt of 10 to 13 tokens whose labels do not count, an answer of 5 to 8. */
    private static List<MicroBatch> batches(long vocabulary) {
        Random random = new Random(7);
        return IntStream.range(0, 16).mapToObj(i -> batch(random, vocabulary)).toList();
    }

    private static MicroBatch batch(Random random, long vocabulary) {
        int width = 21;
        long[] tokens = new long[SEQUENCES * width];
        long[] labels = new long[SEQUENCES * width];
        Arrays.fill(labels, MicroBatch.IGNORED);
        for (int i = 0; i < SEQUENCES; i++) {
            int letters = i == 0 ? 7 : 4 + random.nextInt(4);
            int prompt = 6 + letters;
            for (int t = 0; t < prompt + letters + 1; t++) {
                int at = i * width + t;
                tokens[at] = random.nextLong(vocabulary);
                labels[at] = t < prompt ? MicroBatch.IGNORED : tokens[at];
            }
        }
        return MicroBatch.rightPadded(SEQUENCES, width, tokens, labels);
    }

    private static void sameLosses(
            ToDoubleFunction<MicroBatch> ours, ToDoubleFunction<MicroBatch> bare, List<MicroBatch> batches) {
        for (MicroBatch batch : batches) {
            double difference = Math.abs(ours.applyAsDouble(batch) - bare.applyAsDouble(batch));
            if (!(difference < LOSS_TOLERANCE)) {
                throw new IllegalStateException("the two do not train the same model: losses differ by " + difference);
            }
        }
    }

    private static void measure(
            ToDoubleFunction<MicroBatch> ours, ToDoubleFunction<MicroBatch> bare, List<MicroBatch> batches) {
        run(ours, batches, WARM_UP_STEPS);
        run(bare, batches, WARM_UP_STEPS);
        List<Double> oursSpeeds = new ArrayList<>();
        List<Double> bareSpeeds = new ArrayList<>();
        for (int block = 0; block < BLOCKS; block++) {
            oursSpeeds.add(run(ours, batches, STEPS_PER_BLOCK));
            bareSpeeds.add(run(bare, batches, STEPS_PER_BLOCK));
        }
        double[] ratios = IntStream.range(0, BLOCKS)
                .mapToDouble(block -> oursSpeeds.get(block) / bareSpeeds.get(block))
                .toArray();
        double[] interval = Medians.interval(ratios);
        double outside = NativeShare.outsideLibtorch(() -> run(ours, batches, BLOCKS * STEPS_PER_BLOCK));
        System.out.printf(
                Locale.ROOT,
                """
                | | tokens/s, median of %d blocks of %d steps |
                | --- | --- |
                | Chorale's step | %.0f |
                | bare libtorch autograd | %.0f |

                Ratio, block by block: median %.3f, 95 %% interval %.3f to %.3f. %d threads.
                Share of samples outside libtorch: %.1f %%.
                """,
                BLOCKS,
                STEPS_PER_BLOCK,
                Medians.median(
                        oursSpeeds.stream().mapToDouble(Double::doubleValue).toArray()),
                Medians.median(
                        bareSpeeds.stream().mapToDouble(Double::doubleValue).toArray()),
                Medians.median(ratios),
                interval[0],
                interval[1],
                torch.get_num_threads(),
                100 * outside);
    }

    /** Tokens per second, padding not counted. */
    private static double run(ToDoubleFunction<MicroBatch> step, List<MicroBatch> batches, int steps) {
        double lossNats = 0;
        long tokens = 0;
        long started = System.nanoTime();
        for (int i = 0; i < steps; i++) {
            MicroBatch batch = batches.get(i % batches.size());
            lossNats += step.applyAsDouble(batch);
            tokens += Arrays.stream(batch.tokens()).filter(token -> token != 0).count();
        }
        if (!Double.isFinite(lossNats)) {
            throw new IllegalStateException("the loss is not finite, so what was timed is no training");
        }
        return tokens * 1e9 / (System.nanoTime() - started);
    }
}
