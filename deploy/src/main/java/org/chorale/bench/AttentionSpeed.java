// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.util.Locale;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.bench.AttentionCase.Inputs;
import org.chorale.bench.AttentionCase.Sight;
import org.chorale.model.layer.AttentionWay;
import org.chorale.model.layer.FlashAttention;
import org.chorale.model.layer.FlashAttention.Attended;
import org.chorale.model.layer.Scores;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;

/**
 * How fast attention is in bf16 on a GPU. Flops are those of the causal half: 2·B·N·T²·H forward, and 2.5 times as many
 * backward, where the scores are computed again. A packed line counts what whole sequences would take.
 */
final class AttentionSpeed {
    private static final int WARM_UPS = 5;
    private static final int ROUNDS = 5;
    private static final int RUNS = 20;

    /** Gemma 2's. */
    private static final Scores GEMMA = new Scores(null, 50);

    private final Device device;

    AttentionSpeed(Device device) {
        this.device = device;
    }

    void report() {
        long[][] shapes = {{4, 2048, 32, 8, 128}, {4, 4096, 32, 8, 128}, {8, 2048, 32, 4, 64}};
        for (long[] shape : shapes) {
            time("flash", of(shape, Sight.CAUSAL), new FlashAttention().by(AttentionWay.FLASH));
            time("deterministic", of(shape, Sight.CAUSAL), deterministic().by(AttentionWay.FLASH));
            time("cuDNN", of(shape, Sight.CAUSAL), new FlashAttention().by(AttentionWay.CUDNN));
            time("packed", of(shape, Sight.PACKED), new FlashAttention());
        }
        for (long[] shape : new long[][] {{4, 2048, 8, 4, 256}, {1, 8192, 8, 4, 256}, {1, 8192, 16, 8, 256}}) {
            time("uncapped", of(shape, Sight.CAUSAL), new FlashAttention());
            time("capped", of(shape, Sight.CAUSAL), new FlashAttention().with(GEMMA));
            time(
                    "capped 4096",
                    of(shape, Sight.CAUSAL),
                    FlashAttention.sliding(4096).with(GEMMA));
            time("capped packed", of(shape, Sight.PACKED), new FlashAttention().with(GEMMA));
        }
    }

    /** Attention whose backward adds up in one order. */
    static FlashAttention deterministic() {
        String property = "chorale.attention.deterministic";
        String before = System.getProperty(property, "false");
        System.setProperty(property, "true");
        try {
            return new FlashAttention();
        } finally {
            System.setProperty(property, before);
        }
    }

    private static AttentionCase of(long[] shape, Sight sight) {
        return new AttentionCase(shape[0], shape[1], shape[2], shape[3], shape[4], ScalarType.BFloat16, sight);
    }

    private void time(String name, AttentionCase what, FlashAttention attention) {
        try (TensorScope scope = new TensorScope()) {
            Inputs inputs = what.inputs(device);
            double forward = millis(() -> attention.forward(inputs.q(), inputs.k(), inputs.v(), inputs.context()));
            double both = millis(() -> {
                Attended attended = attention.forward(inputs.q(), inputs.k(), inputs.v(), inputs.context());
                attention.backward(inputs.dMixed(), inputs.q(), inputs.k(), inputs.v(), attended, inputs.context());
            });
            System.out.printf(
                    Locale.ROOT,
                    "%-14s %s forward %.3f ms %.0f TFLOP/s, with backward %.3f ms %.0f TFLOP/s%n",
                    name,
                    what,
                    forward,
                    what.forwardFlops() / forward / 1e9,
                    both,
                    3.5 * what.forwardFlops() / both / 1e9);
        } catch (RuntimeException e) {
            System.out.printf(Locale.ROOT, "%-14s %s FAIL %s%n", name, what, e.getMessage());
        }
    }

    /** The median of a few rounds. */
    private double millis(Runnable kernels) {
        repeat(WARM_UPS, kernels);
        double[] rounds = new double[ROUNDS];
        for (int round = 0; round < ROUNDS; round++) {
            device.await();
            long start = System.nanoTime();
            repeat(RUNS, kernels);
            device.await();
            rounds[round] = (System.nanoTime() - start) / 1e6 / RUNS;
        }
        return Medians.median(rounds);
    }

    private static void repeat(int times, Runnable kernels) {
        for (int i = 0; i < times; i++) {
            try (TensorScope scope = new TensorScope()) {
                kernels.run();
            }
        }
    }
}
