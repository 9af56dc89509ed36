// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;
import org.chorale.tensor.device.DeviceMemory;
import org.chorale.tensor.device.MatmulPeak;
import org.chorale.training.ModelFlops;

/**
 * What was measured of a row. Its JSON has the keys of {@code deploy/bench/peers/step.py}.
 *
 * @param recompute what blocks recompute, and how many of them
 * @param predictedBytes of the peak of what is allocated, by {@link org.chorale.training.ActivationPlan}
 * @param stepSeconds of each timed step; the device was awaited before and after each
 * @param blockSeconds of as many steps in one go
 * @param memory at the end, with the peaks since before the first step; empty on a CPU
 * @param flopsPerToken by {@link ModelFlops}
 * @param matmulFlops per second, by {@link MatmulPeak}
 */
@SuppressWarnings("ArrayRecordComponent") // made once, never changed
record GpuResult(
        BenchSetup setup,
        String recompute,
        long predictedBytes,
        double[] stepSeconds,
        double blockSeconds,
        Optional<DeviceMemory> memory,
        double flopsPerToken,
        double matmulFlops,
        double firstLoss,
        double lastLoss) {
    private static final double GIB = 1 << 30;

    /** Of each device. */
    double tokensPerSecond() {
        return tokens() / Medians.median(stepSeconds);
    }

    /** Of what the device reaches in a matrix product alone. */
    double shareOfMatmul() {
        return tokensPerSecond() * flopsPerToken / matmulFlops;
    }

    private double tokens() {
        return (double) setup.sequences() * setup.tokens();
    }

    /** For people: Markdown. */
    String table() {
        return String.format(
                Locale.ROOT,
                """
                | row | device | precision | fp8 | recompute | B | T | tokens/s | ms a step: min, median, max | in one go | allocated, reserved; predicted | TFLOP/s | of matmul peak | loss |
                | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
                | %s | %s | %s | %s | %s | %d | %d | %,.0f | %.1f, %.1f, %.1f | %,.0f tokens/s | %s | %.1f | %.1f %% of %.1f | %.4f to %.4f |
                """,
                setup.rowWord(),
                setup.ranks() == 1 ? setup.device() : setup.ranks() + " from " + setup.device(),
                setup.precision().word(),
                setup.fp8Word() + (setup.gathersInFp8() ? ", gathered so" : ""),
                recompute,
                setup.sequences(),
                setup.tokens(),
                tokensPerSecond(),
                millis(Arrays.stream(stepSeconds).min().orElseThrow()),
                millis(Medians.median(stepSeconds)),
                millis(Arrays.stream(stepSeconds).max().orElseThrow()),
                blockTokensPerSecond(),
                memory.map(this::words).orElse("not counted"),
                tokensPerSecond() * flopsPerToken / 1e12,
                100 * shareOfMatmul(),
                matmulFlops / 1e12,
                firstLoss,
                lastLoss);
    }

    /** For programs: one line. */
    ObjectNode json() {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("row", setup.rowWord())
                .put("system", "chorale")
                .put("device", setup.device().toString())
                .put("ranks", setup.ranks())
                .put("copies", setup.copies())
                .put("precision", setup.precision().word())
                .put("tf32", setup.tf32())
                .put("fp8", setup.fp8Word())
                .put("gather_fp8", setup.gathersInFp8())
                .put("recompute", recompute)
                .put("sequences", setup.sequences())
                .put("tokens", setup.tokens())
                .put("steps", stepSeconds.length)
                .put("tokens_per_second", tokensPerSecond())
                .put("block_tokens_per_second", blockTokensPerSecond())
                .put("step_ms_min", millis(Arrays.stream(stepSeconds).min().orElseThrow()))
                .put("step_ms_median", millis(Medians.median(stepSeconds)))
                .put("step_ms_max", millis(Arrays.stream(stepSeconds).max().orElseThrow()))
                .put(
                        "peak_allocated_gib",
                        memory.map(m -> m.peakAllocatedBytes() / GIB).orElse(null))
                .put(
                        "peak_reserved_gib",
                        memory.map(m -> m.peakReservedBytes() / GIB).orElse(null))
                .put("predicted_gib", memory.map(m -> predictedBytes / GIB).orElse(null))
                .put("flops_per_token", flopsPerToken)
                .put("matmul_tflops", matmulFlops / 1e12)
                .put("share_of_matmul", shareOfMatmul())
                .put("first_loss", firstLoss)
                .put("last_loss", lastLoss);
        return json;
    }

    private double blockTokensPerSecond() {
        return tokens() * stepSeconds.length / blockSeconds;
    }

    private String words(DeviceMemory memory) {
        return String.format(
                Locale.ROOT,
                "%.1f, %.1f; %.1f GiB",
                memory.peakAllocatedBytes() / GIB,
                memory.peakReservedBytes() / GIB,
                predictedBytes / GIB);
    }

    private static double millis(double seconds) {
        return seconds * 1e3;
    }
}
