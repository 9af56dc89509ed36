// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import com.google.errorprone.annotations.FormatMethod;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.collective.Collectives;
import org.chorale.tensor.collective.Collectives.Pending;
import org.chorale.tensor.collective.Collectives.Reduction;
import org.chorale.tensor.device.Device;

/**
 * How fast a group is: bus bandwidth, which is what a rank sends at least, (W − 1) / W of the whole of W ranks, by the
 * time; and what an operation costs the host.
 */
final class CollectiveSpeed {
    private static final long[] MEBIBYTES = {64, 256, 1024};
    private static final int WARM_UP = 3;
    private static final int TIMED = 20;
    private static final int SMALL = 500;

    /** Where lines go. */
    interface Lines {
        @FormatMethod
        void say(String format, Object... arguments);
    }

    private final Collectives group;
    private final Device device;
    private final Lines lines;

    CollectiveSpeed(Collectives group, Device device, Lines lines) {
        this.group = group;
        this.device = device;
        this.lines = lines;
    }

    void report() {
        for (long mebibytes : MEBIBYTES) {
            long elements = (mebibytes << 20) / Float.BYTES / group.worldSize();
            try (TensorScope scope = new TensorScope()) {
                Tensor whole = device.zeros(ScalarType.Float, elements * group.worldSize());
                Tensor place = whole.narrow(0, group.rank() * elements, elements);
                Tensor part = device.zeros(ScalarType.Float, elements);
                bandwidth(
                        "all-gather", whole, () -> group.allGather(whole, place).await());
                bandwidth(
                        "reduce-scatter",
                        whole,
                        () -> group.reduceScatter(part, whole).await());
            }
        }
        reportHostTime();
    }

    private void bandwidth(String operation, Tensor whole, Runnable run) {
        repeat(WARM_UP, run);
        long nanos = repeat(TIMED, run);
        double sentBytes = (double) whole.nbytes() * (group.worldSize() - 1) / group.worldSize();
        lines.say(
                "%s of %d MiB: %.2f ms, %.0f GB/s of the bus",
                operation, whole.nbytes() >> 20, nanos / 1e6 / TIMED, sentBytes * TIMED / nanos);
    }

    private long repeat(int times, Runnable run) {
        device.await();
        group.barrier().await();
        long started = System.nanoTime();
        for (int i = 0; i < times; i++) {
            run.run();
        }
        device.await();
        return System.nanoTime() - started;
    }

    private void reportHostTime() {
        try (TensorScope scope = new TensorScope()) {
            Tensor value = device.zeros(ScalarType.Float, 1);
            repeat(SMALL, () -> group.allReduce(value, Reduction.SUM).await());
            device.await();
            long started = System.nanoTime();
            for (int i = 0; i < SMALL; i++) {
                Pending pending = group.allReduce(value, Reduction.SUM);
                pending.await();
            }
            long enqueued = System.nanoTime() - started;
            device.await();
            lines.say(
                    "an all-reduce of 4 bytes: %.1f us of the host, %.1f us in all",
                    enqueued / 1e3 / SMALL, (System.nanoTime() - started) / 1e3 / SMALL);
        }
    }
}
