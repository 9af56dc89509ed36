// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.chorale.model.layer.AttentionChoice.Stopwatch;
import org.chorale.model.layer.FlashAttention.Attended;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;

/** Times causal attention on the GPU on which the tensors lie. */
final class AttentionTiming implements Stopwatch {
    private static final int WARM_UPS = 3; // the first makes cuDNN's plan
    private static final int ROUNDS = 3;
    private static final int RUNS = 5;

    private static final Sight CAUSAL = new Sight(true, Sight.EVERYTHING, null, null);

    /** Of the best of a few rounds: what else the GPU does can only add to it. */
    @Override
    public double millis(AttentionWay way, Tensor q, Tensor k, Tensor v) {
        Device device = Device.of(q);
        run(way.kernel(), WARM_UPS, q, k, v);
        long bestNanos = Long.MAX_VALUE;
        for (int round = 0; round < ROUNDS; round++) {
            device.await();
            long start = System.nanoTime();
            run(way.kernel(), RUNS, q, k, v);
            device.await();
            bestNanos = Math.min(bestNanos, System.nanoTime() - start);
        }
        return bestNanos / 1e6 / RUNS;
    }

    /** The values that were seen stand for their gradient. */
    private static void run(AttentionKernel kernel, int times, Tensor q, Tensor k, Tensor v) {
        for (int i = 0; i < times; i++) {
            try (TensorScope scope = new TensorScope()) {
                Attended attended = kernel.forward(q, k, v, CAUSAL);
                kernel.backward(attended.mixed(), q, k, v, attended, CAUSAL);
            }
        }
    }
}
