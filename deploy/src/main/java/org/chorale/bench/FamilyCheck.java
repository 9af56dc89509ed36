// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import com.google.errorprone.annotations.FormatMethod;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.device.Tf32;
import org.chorale.training.shard.Precision;

/**
 * Every model in a folder of models trains on a GPU as on the CPU: some steps in fp32, with adapters, recompute and packing
 * in turns. Losses, gradients and their norms are held against ten times what separates correct CPU implementations; bf16
 * is measured beside. Prints a line for each row, goes on after a failure, and exits with 1 if there was one.
 *
 * <p>Arguments: the folder, each folder in which with config.json and model.safetensors is a model; and {@code cpu} to try
 * it without a GPU.
 */
public final class FamilyCheck {
    private static final double LOSS = 1e-4;
    private static final double NORM = 2e-4;
    private static final double GRADIENT = 2e-4;

    /** Behind a step, in which Adam has turned the rounding of tiny gradients into moves. */
    private static final double SECOND_GRADIENT = 2e-3;

    /** On the CPU it was below 3e-3, of losses of about 5. */
    private static final double BF16_LOSS = 2e-2;

    private final Device device;
    private final PrintStream out;
    private int failures;
    private double worst; // in units of what is allowed

    FamilyCheck(Device device, PrintStream out) {
        this.device = device;
        this.out = out;
    }

    /** The exit code is 1 where a row is out, or there is none. */
    public static void main(String[] arguments) throws IOException {
        if (arguments.length == 0) {
            System.err.println("usage: FamilyCheck FOLDER_OF_MODELS [cpu]");
            System.exit(2);
        }
        Device device = arguments.length > 1 && arguments[1].equals("cpu") ? Device.CPU : Device.cuda(0);
        device.bind();
        Tf32.allow(false);
        System.exit(new FamilyCheck(device, System.out).run(Path.of(arguments[0])));
    }

    /** @return the exit code */
    int run(Path models) throws IOException {
        long begunNanos = System.nanoTime();
        List<FamilyRow> rows = FamilyRow.of(folders(models));
        rows.forEach(this::check);
        double seconds = (System.nanoTime() - begunNanos) / 1e9;
        line(
                "%d rows on %s in %.1f s, %d failed; the worst took %.0f %% of what is allowed",
                rows.size(), device.described(), seconds, failures, 100 * worst);
        return rows.isEmpty() || failures > 0 ? 1 : 0;
    }

    private static List<Path> folders(Path models) throws IOException {
        try (Stream<Path> folders = Files.list(models)) {
            return folders.filter(folder -> Files.exists(folder.resolve("config.json")))
                    .filter(folder -> Files.exists(folder.resolve("model.safetensors")))
                    .sorted()
                    .toList();
        }
    }

    private void check(FamilyRow row) {
        try {
            FamilyRun expected = FamilyRun.of(row, Precision.FP32, Device.CPU);
            FamilyRun found = FamilyRun.of(row, Precision.FP32, device);
            FamilyRun bf16 = FamilyRun.of(row, Precision.BF16, device);
            double loss = found.lossError(expected);
            double norm = found.normError(expected);
            double first = found.gradientError(expected, 0);
            double second = found.gradientError(expected, 1);
            double share = DoubleStream.of(loss / LOSS, norm / NORM, first / GRADIENT, second / SECOND_GRADIENT)
                    .reduce(0, Math::max); // NaN where one is
            double bf16Loss = bf16.lossError(expected);
            boolean good = share <= 1 && bf16Loss <= BF16_LOSS;
            failures += good ? 0 : 1;
            worst = Math.max(worst, share);
            line(
                    "%s: loss %.1e, norm %.1e, gradients %.1e, %.1e; bf16: loss %.1e, norm %.1e, gradients %.1e: %s",
                    row,
                    loss,
                    norm,
                    first,
                    second,
                    bf16Loss,
                    bf16.normError(expected),
                    bf16.gradientError(expected, 0),
                    good ? "ok" : "FAIL");
        } catch (RuntimeException | LinkageError e) {
            failures++;
            line("%s: FAIL %s", row, e);
        }
    }

    @FormatMethod
    private void line(String format, Object... arguments) {
        out.println(String.format(Locale.ROOT, format, arguments));
    }
}
