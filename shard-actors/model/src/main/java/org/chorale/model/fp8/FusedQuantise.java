// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.fp8;

import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.kernel.ElementType;
import org.chorale.tensor.kernel.KernelModule;
import org.chorale.tensor.kernel.Launch;

/**
 * By the kernels of {@code quantise.cu}. Passes over memory, in bytes for each element: 2 to find the largest value, and 2
 * to read it again with 1 for each form that is written; with a scale for each row, 2 and 1. A transposed copy takes 1 and
 * 1; runs take 2 or 4, as their elements are bf16 or fp32, to find the largest values, and that and 1 to become bytes.
 */
final class FusedQuantise implements QuantiseKernel {
    static final FusedQuantise INSTANCE = new FusedQuantise();

    private static final int THREADS = 256;
    private static final int LANES = 8; // elements of one read, of 16 bytes
    private static final long TILE = 128; // rows and columns of a block's part
    private static final long MAX_SEARCHERS = 1024; // blocks that look for the largest value: all run at once

    private final Map<Fp8Format, KernelModule> modules = new EnumMap<>(Fp8Format.class);

    private FusedQuantise() {
        for (Fp8Format format : Fp8Format.values()) {
            Map<String, String> macros = Map.of(
                    "FORMAT",
                    format.word(),
                    "LARGEST",
                    format.largest() + "f",
                    "FLOOR",
                    Double.toHexString(FLOOR) + "f",
                    "INVERSE_LANES",
                    String.valueOf(INVERSE_LANES));
            modules.put(format, KernelModule.of(FusedQuantise.class, "quantise.cu", macros));
        }
    }

    @Override
    public Tensor largest(Tensor x) {
        Tensor largest = Device.of(x).zeros(ScalarType.Float, 1);
        try (TensorScope scope = new TensorScope()) {
            Tensor given = readable(x);
            boolean whole = given.is_contiguous();
            int reads = Math.toIntExact(given.numel() / LANES);
            int readsOfRow = whole ? Math.max(1, reads) : Math.toIntExact(given.size(1) / LANES);
            launch(Fp8Format.E4M3, "largest", given)
                    .index(readsOfRow)
                    .index(reads)
                    .tensor(largest)
                    .run(Math.min(MAX_SEARCHERS, ceilDiv(reads, THREADS)), THREADS);
        }
        return largest;
    }

    @Override
    public Fp8Matrix rows(Tensor x, Tensor largest, Fp8Format format) {
        Fp8Matrix rows = empty(x, format, x.size(0), x.size(1), 1);
        try (TensorScope scope = new TensorScope()) {
            ofShape(launch(format, "quantise_rows", readable(x)), x)
                    .tensor(largest)
                    .tensor(rows.values())
                    .tensor(rows.inverse())
                    .run(ceilDiv(x.size(0), TILE), tilesOfRow(x), THREADS);
        }
        return rows;
    }

    @Override
    public Fp8Matrix columns(Tensor x, Tensor largest, Fp8Format format) {
        long paddedRows = ceilDiv(x.size(0), ROWS) * ROWS;
        Fp8Matrix columns = empty(x, format, x.size(1), paddedRows, 1);
        try (TensorScope scope = new TensorScope()) {
            ofShape(launch(format, "quantise_columns", readable(x)), x)
                    .tensor(largest)
                    .tensor(columns.values())
                    .index(Math.toIntExact(paddedRows))
                    .tensor(columns.inverse())
                    .run(ceilDiv(paddedRows, TILE), tilesOfRow(x), THREADS);
        }
        return columns;
    }

    @Override
    public Both both(Tensor x, Tensor largest, Fp8Format format) {
        long paddedRows = ceilDiv(x.size(0), ROWS) * ROWS;
        Fp8Matrix rows = empty(x, format, x.size(0), x.size(1), 1);
        Fp8Matrix columns = new Fp8Matrix(Device.of(x).empty(format.type(), x.size(1), paddedRows), rows.inverse());
        try (TensorScope scope = new TensorScope()) {
            ofShape(launch(format, "quantise_both", readable(x)), x)
                    .tensor(largest)
                    .tensor(rows.values())
                    .tensor(columns.values())
                    .index(Math.toIntExact(paddedRows))
                    .tensor(rows.inverse())
                    .run(ceilDiv(paddedRows, TILE), tilesOfRow(x), THREADS);
        }
        return new Both(rows, columns);
    }

    @Override
    public Fp8Matrix eachRow(Tensor x, Fp8Format format) {
        Fp8Matrix rows = empty(x, format, x.size(0), x.size(1), x.size(0));
        try (TensorScope scope = new TensorScope()) {
            launch(format, "quantise_each_row", readable(x))
                    .index(Math.toIntExact(x.size(1)))
                    .tensor(rows.values())
                    .tensor(rows.inverse())
                    .run(x.size(0), THREADS);
        }
        return rows;
    }

    @Override
    public Fp8Matrix transposed(Fp8Matrix x) {
        int rows = Math.toIntExact(x.values().size(0));
        int width = Math.toIntExact(x.values().size(1));
        if (rows % ROWS != 0 || width % ROWS != 0) {
            throw new IllegalArgumentException("[%d, %d]: both must be multiples of %d".formatted(rows, width, ROWS));
        }
        Tensor columns = Device.of(x.values()).empty(x.values().scalar_type().intern(), width, rows);
        kernel("transpose_bytes")
                .tensor(x.values())
                .index(rows)
                .index(width)
                .tensor(columns)
                .run(ceilDiv(rows, TILE), tilesOfRow(x.values()), THREADS);
        return new Fp8Matrix(columns, x.inverse());
    }

    @Override
    public void addLargest(Tensor part, ScaledRuns runs, Tensor bits) {
        kernel("largest_of_runs_" + word(part))
                .tensor(part)
                .tensor(runs.table())
                .tensor(bits)
                .run(blocksOfRun(runs), runs.runs().size(), THREADS);
    }

    @Override
    public void quantise(Tensor part, ScaledRuns runs, Tensor bits, Tensor bytes) {
        kernel("quantise_runs_" + word(part))
                .tensor(part)
                .tensor(runs.table())
                .tensor(bits)
                .tensor(bytes)
                .run(blocksOfRun(runs), runs.runs().size(), THREADS);
    }

    @Override
    public void invert(Tensor bits, Tensor inverses) {
        int scales = Math.toIntExact(bits.numel());
        kernel("inverses_of").tensor(bits).index(scales).tensor(inverses).run(ceilDiv(scales, THREADS), THREADS);
    }

    private static String word(Tensor part) {
        return ElementType.of(part)
                .filter(type -> type != ElementType.FP16)
                .orElseThrow(() -> new IllegalArgumentException("a part must be fp32 or bf16"))
                .word();
    }

    /** As many as the longest run has work for; those that a shorter one has none for end at once. */
    private static long blocksOfRun(ScaledRuns runs) {
        return Math.min(MAX_SEARCHERS, ceilDiv(runs.longest(), THREADS * LANES));
    }

    /** Of what is E4M3 whatever it is made of. */
    private Launch kernel(String name) {
        return Objects.requireNonNull(modules.get(Fp8Format.E4M3)).kernel(name).launch();
    }

    /** @param scales 1, or as many as rows */
    private static Fp8Matrix empty(Tensor x, Fp8Format format, long rows, long width, long scales) {
        Device device = Device.of(x);
        Tensor inverse = device.empty(ScalarType.Float, scales);
        return new Fp8Matrix(device.empty(format.type(), rows, width), scales == 1 ? inverse : inverse.view(scales, 1));
    }

    /** Begins with x and the stride of its rows, which all kernels take first. */
    private Launch launch(Fp8Format format, String kernel, Tensor x) {
        KernelModule module = Objects.requireNonNull(modules.get(format));
        return module.kernel(kernel).launch().tensor(x).count(x.stride(0));
    }

    private static Launch ofShape(Launch launch, Tensor x) {
        return launch.index(Math.toIntExact(x.size(0))).index(Math.toIntExact(x.size(1)));
    }

    private static int tilesOfRow(Tensor x) {
        return Math.toIntExact(ceilDiv(x.size(1), TILE));
    }

    /** x itself where its rows can be read by 16 bytes. */
    private static Tensor readable(Tensor x) {
        if (x.dim() != 2 || x.scalar_type().intern() != ScalarType.BFloat16 || x.size(1) % ROWS != 0) {
            throw new IllegalArgumentException(
                    "FP8 is made of bf16 matrices whose rows are multiples of %d wide, not of %s".formatted(ROWS, x));
        }
        boolean aligned =
                x.stride(1) == 1 && x.stride(0) % LANES == 0 && x.data_ptr().address() % (2 * LANES) == 0;
        return aligned ? x : x.contiguous();
    }

    private static long ceilDiv(long dividend, long divisor) {
        return (dividend + divisor - 1) / divisor;
    }
}
