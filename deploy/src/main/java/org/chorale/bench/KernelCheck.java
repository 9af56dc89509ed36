// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import com.google.errorprone.annotations.FormatMethod;
import java.io.PrintStream;
import java.util.Locale;
import java.util.function.DoubleSupplier;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;

/**
 * The frame of the programs that check kernels on a GPU: a line for each check as soon as it is done, on to the next after
 * one that fails, and at the end how many did. Speeds stand beside that of a copy on the same device, which reads and
 * writes each byte once and so is what memory gives at best.
 */
final class KernelCheck {
    private static final int WARM_UP_LAUNCHES = 5;
    private static final int SAMPLES = 20;
    private static final int LAUNCHES_PER_SAMPLE = 20;
    private static final long COPIED_ON_GPU_BYTES = 1L << 28;
    private static final long COPIED_ON_CPU_BYTES = 1L << 16;

    private final Device device;
    private final PrintStream out;
    private final double copyBytesPerSecond;
    private int checks;
    private int failures;

    KernelCheck(Device device, PrintStream out) {
        this.device = device;
        this.out = out;
        long copiedBytes = device.isCuda() ? COPIED_ON_GPU_BYTES : COPIED_ON_CPU_BYTES;
        this.copyBytesPerSecond = copyBytesPerSecond(copiedBytes);
        line("copy of %d KiB: %.0f GB/s", copiedBytes >> 10, copyBytesPerSecond / 1e9);
    }

    /**
     * Compares.
     *
     * @param maxError the largest difference from the reference; whatever it throws is a failure, and so is NaN
     */
    void compare(String name, String shape, String dtype, double tolerance, DoubleSupplier maxError) {
        guarded(name + " " + shape + " " + dtype, () -> {
            double error = maxError.getAsDouble();
            boolean good = error <= tolerance;
            failures += good ? 0 : 1;
            line(
                    "%s %s %s: error %.3g, tolerance %.3g, %s",
                    name, shape, dtype, error, tolerance, good ? "ok" : "FAIL");
        });
    }

    /**
     * Measures.
     *
     * @param bytes that one launch reads and writes
     */
    void speed(String name, String shape, String dtype, long bytes, Runnable launch) {
        guarded(name + " " + shape + " " + dtype, () -> {
            double seconds = secondsPerLaunch(launch);
            line(
                    "%s %s %s: %.1f us, %.0f GB/s, %.0f %% of a copy",
                    name,
                    shape,
                    dtype,
                    seconds * 1e6,
                    bytes / seconds / 1e9,
                    100 * bytes / seconds / copyBytesPerSecond);
        });
    }

    /**
     * Measures products.
     *
     * @param operations of one launch, additions and multiplications
     */
    void rate(String name, String shape, String dtype, double operations, Runnable launch) {
        guarded(name + " " + shape + " " + dtype, () -> {
            double seconds = secondsPerLaunch(launch);
            line("%s %s %s: %.1f us, %.0f TFLOP/s", name, shape, dtype, seconds * 1e6, operations / seconds / 1e12);
        });
    }

    /** Prints the sum of all, and says with which code the process is to end. */
    int end() {
        line("%d checks, %d failed", checks, failures);
        return failures == 0 ? 0 : 1;
    }

    private void guarded(String what, Runnable check) {
        checks++;
        try (TensorScope scope = new TensorScope()) {
            check.run();
            device.await(); // what was launched may only fail now
        } catch (RuntimeException | LinkageError e) {
            failures++;
            line(
                    "%s: FAIL %s",
                    what, String.valueOf(e.getMessage()).lines().findFirst().orElse(e.toString()));
        }
    }

    private double copyBytesPerSecond(long bytes) {
        try (TensorScope scope = new TensorScope()) {
            Tensor from = device.zeros(ScalarType.Byte, bytes);
            Tensor to = device.empty(ScalarType.Byte, bytes);
            return 2.0 * bytes / secondsPerLaunch(() -> to.copy_(from));
        }
    }

    /** The median of samples of so many launches that a single one's cost of waiting does not count. */
    private double secondsPerLaunch(Runnable launch) {
        repeat(launch, WARM_UP_LAUNCHES);
        double[] seconds = new double[SAMPLES];
        for (int i = 0; i < SAMPLES; i++) {
            device.await();
            long started = System.nanoTime();
            repeat(launch, LAUNCHES_PER_SAMPLE);
            device.await();
            seconds[i] = (System.nanoTime() - started) / 1e9 / LAUNCHES_PER_SAMPLE;
        }
        return Medians.median(seconds);
    }

    private static void repeat(Runnable launch, int times) {
        for (int i = 0; i < times; i++) {
            try (TensorScope scope = new TensorScope()) {
                launch.run();
            }
        }
    }

    @FormatMethod
    private void line(String format, Object... arguments) {
        out.println(String.format(Locale.ROOT, format, arguments));
    }
}
