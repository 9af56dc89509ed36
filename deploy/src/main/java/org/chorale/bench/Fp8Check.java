// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.util.List;
import java.util.Random;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.fp8.Fp8Format;
import org.chorale.model.fp8.Fp8Matmul;
import org.chorale.model.fp8.Fp8Matmul.Sums;
import org.chorale.model.fp8.Fp8Matrix;
import org.chorale.model.fp8.QuantiseKernel;
import org.chorale.model.fp8.ScaledRuns;
import org.chorale.model.fp8.ScaledRuns.Run;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;

/**
 * Checks on a GPU that FP8 is made of bf16 as its twin makes it, bit for bit, and that products of such factors are those
 * of fp64 but for the rounding of their sums; measures both, products beside those of bf16. R rows, K numbers in each.
 */
public final class Fp8Check {
    private static final long SEED = 7;
    private static final long[][] SHAPES = {{1, 16}, {21, 48}, {64, 384}, {130, 272}, {4_096, 4_096}, {1_000, 14_336}};

    /** Rows of B 4, T 4096. */
    private static final long ROWS = 16_384;

    /** Of a rank's part: runs of three matrices, the last two of which have one scale, and a gap. */
    private static final List<Run> RUNS =
            List.of(new Run(0, 4_096, 0), new Run(4_096, 1_048_576 - 64, 1), new Run(1_064_960, 4_096 * 1_000, 1));

    private static final long PART = 8_388_608;

    /** Inputs and outputs of the linears of an 8B Llama's block, as they are computed. */
    private static final long[][] LINEARS = {{4_096, 6_144}, {4_096, 4_096}, {4_096, 28_672}, {14_336, 4_096}};

    private final KernelCheck check;
    private final CheckTensors tensors;

    private Fp8Check(KernelCheck check, CheckTensors tensors) {
        this.check = check;
        this.tensors = tensors;
    }

    /** Checks on the first GPU; the exit code is 1 where a check failed. */
    public static void main(String[] arguments) {
        Device device = Device.cuda(0);
        device.bind();
        torch.manual_seed(SEED);
        KernelCheck check = new KernelCheck(device, System.out);
        new Fp8Check(check, new CheckTensors(device, new Random(SEED))).run();
        System.exit(check.end());
    }

    private void run() {
        for (Fp8Format format : Fp8Format.values()) {
            for (long[] shape : SHAPES) {
                quantised(format, shape[0], shape[1]);
                products(format, shape[0], shape[1]);
            }
        }
        for (ScalarType type : new ScalarType[] {ScalarType.Float, ScalarType.BFloat16}) {
            runs(type, 1);
            runs(type, Double.NaN);
            runSpeeds(type);
        }
        notFinite();
        quantiseSpeeds(4_096);
        quantiseSpeeds(14_336);
        for (long[] linear : LINEARS) {
            productSpeeds(linear[0], linear[1]);
        }
    }

    /** Of a whole matrix, and of a part of a wider one. */
    private void quantised(Fp8Format format, long rows, long width) {
        try (TensorScope scope = new TensorScope()) {
            Tensor wider = tensors.normal(ScalarType.BFloat16, rows, 2 * width);
            for (Tensor x : new Tensor[] {
                wider.narrow(1, width, width), wider.narrow(1, 0, width).contiguous()
            }) {
                QuantiseKernel twin = QuantiseKernel.twin();
                QuantiseKernel kernel = BlockKernelCheck.fused(QuantiseKernel.of(x), twin);
                Tensor largest = twin.largest(x);
                String shape = "[%d, %d]%s".formatted(rows, width, x.is_contiguous() ? "" : " part");
                equal("largest", shape, format, () -> kernel.largest(x).sub(largest));
                same("rows", shape, format, () -> kernel.rows(x, largest, format), twin.rows(x, largest, format));
                Fp8Matrix columns = twin.columns(x, largest, format);
                same("columns", shape, format, () -> kernel.columns(x, largest, format), columns);
                same(
                        "both, rows",
                        shape,
                        format,
                        () -> kernel.both(x, largest, format).rows(),
                        twin.rows(x, largest, format));
                same(
                        "both, columns",
                        shape,
                        format,
                        () -> kernel.both(x, largest, format).columns(),
                        columns);
                Fp8Matrix given = twin.rows(x, largest, format);
                if (rows % QuantiseKernel.ROWS == 0) {
                    same("transposed", shape, format, () -> kernel.transposed(given), twin.transposed(given));
                }
                same("each row", shape, format, () -> kernel.eachRow(x, format), twin.eachRow(x, format));
            }
        }
    }

    /** What of a part counts, which is what it is in bf16; with one number of the last run times a factor. */
    private void runs(ScalarType type, double factor) {
        try (TensorScope scope = new TensorScope();
                HeldTensors owner = new HeldTensors()) {
            Tensor part = tensors.normal(type, PART);
            part.narrow(0, PART / 2, 1).mul_(new Scalar(factor));
            ScaledRuns runs = ScaledRuns.of(RUNS, Device.of(part), owner);
            String shape = "[%d], one number times %s".formatted(PART, factor);
            Runs expected = Runs.of(QuantiseKernel.twin(), part, runs);
            Runs actual = Runs.of(BlockKernelCheck.fused(QuantiseKernel.of(part), QuantiseKernel.twin()), part, runs);
            different("runs, largest", shape, type, actual.wideLargest(), expected.wideLargest());
            different("runs, inverses", shape, type, actual.inverses, expected.inverses);
            different("runs, values", shape, type, wide(actual.values), wide(expected.values));
        }
    }

    /** How many numbers differ, NaN being equal to NaN. */
    private void different(String name, String shape, ScalarType type, Tensor actual, Tensor expected) {
        check.compare(name, shape, type.name(), 0, () -> {
            Tensor bothNaN = actual.isnan().logical_and(expected.isnan());
            return actual.ne(expected)
                    .logical_and(bothNaN.logical_not())
                    .to(ScalarType.Float)
                    .sum()
                    .item_double();
        });
    }

    /** What a kernel makes of runs. */
    private record Runs(Tensor bits, Tensor values, Tensor inverses) {
        static Runs of(QuantiseKernel kernel, Tensor part, ScaledRuns runs) {
            Device device = Device.of(part);
            Tensor bits = device.zeros(ScalarType.Long, 2);
            kernel.addLargest(part, runs, bits);
            Tensor values = device.zeros(ScalarType.Byte, PART).view(Fp8Format.E4M3.type());
            kernel.quantise(part, runs, bits, values);
            Tensor inverses = device.zeros(ScalarType.Float, 2, QuantiseKernel.INVERSE_LANES);
            kernel.invert(bits, inverses);
            return new Runs(bits, values, inverses);
        }

        Tensor wideLargest() {
            return bits.to(ScalarType.Int).view(ScalarType.Float);
        }
    }

    private void runSpeeds(ScalarType type) {
        try (TensorScope scope = new TensorScope();
                HeldTensors owner = new HeldTensors()) {
            long elements = 1L << 27; // about half of an 8B Llama's block
            Tensor part = tensors.normal(type, elements);
            ScaledRuns runs = ScaledRuns.of(List.of(new Run(0, elements, 0)), Device.of(part), owner);
            QuantiseKernel kernel = QuantiseKernel.of(part);
            Runs made = Runs.of(kernel, part.narrow(0, 0, PART), ScaledRuns.of(RUNS, Device.of(part), owner));
            Tensor values = Device.of(part).empty(Fp8Format.E4M3.type(), elements);
            String shape = "[%d]".formatted(elements);
            long bytes = part.nbytes();
            check.speed("runs, largest", shape, type.name(), bytes, () -> kernel.addLargest(part, runs, made.bits));
            check.speed(
                    "runs, values",
                    shape,
                    type.name(),
                    bytes + elements,
                    () -> kernel.quantise(part, runs, made.bits, values));
        }
    }

    private interface Made<T> {
        T make();
    }

    private void same(String name, String shape, Fp8Format format, Made<Fp8Matrix> made, Fp8Matrix expected) {
        equal(name, shape, format, () -> {
            Fp8Matrix actual = made.make();
            Tensor scales = actual.inverse().sub(expected.inverse()).abs().max();
            return wide(actual.values())
                    .sub(wide(expected.values()))
                    .abs()
                    .max()
                    .add(scales);
        });
    }

    private void equal(String name, String shape, Fp8Format format, Made<Tensor> difference) {
        check.compare(
                name,
                shape,
                format.name(),
                0,
                () -> difference.make().abs().max().item_double());
    }

    private void products(Fp8Format format, long rows, long width) {
        try (TensorScope scope = new TensorScope()) {
            Tensor x = tensors.normal(ScalarType.BFloat16, rows, width);
            Tensor w = tensors.normal(ScalarType.BFloat16, 48, width);
            QuantiseKernel kernel = QuantiseKernel.of(x);
            Fp8Matrix a = kernel.rows(x, kernel.largest(x), format);
            Fp8Matrix b = kernel.rows(w, kernel.largest(w), Fp8Format.E4M3);
            String shape = "[%d, %d]·[%2$d, 48]".formatted(rows, width);
            product("product, fast", shape, format, a, b, ScalarType.BFloat16, Sums.FAST);
            product("product, exact", shape, format, a, b, ScalarType.BFloat16, Sums.EXACT);
            product("product, fp32", shape, format, a, b, ScalarType.Float, Sums.EXACT);
            equal("product into a part", shape, format, () -> {
                Tensor out = tensors.normal(ScalarType.Float, rows + 2, 48).narrow(0, 1, rows);
                Fp8Matmul.into(out, a, b, Sums.EXACT);
                return out.sub(Fp8Matmul.of(a, b, ScalarType.Float, Sums.EXACT));
            });
            Fp8Matrix byRow = kernel.eachRow(x, format);
            product(
                    "product by row",
                    shape,
                    format,
                    byRow,
                    kernel.eachRow(w, Fp8Format.E4M3),
                    ScalarType.BFloat16,
                    Sums.FAST);
        }
    }

    /** The error as a share of the largest result; fast sums of thousands of products lose as much as bf16 does, or more. */
    private void product(
            String name, String shape, Fp8Format format, Fp8Matrix a, Fp8Matrix b, ScalarType type, Sums sums) {
        double tolerance = type == ScalarType.Float ? 2e-3 : sums == Sums.FAST ? 1.2e-2 : 6e-3;
        check.compare(name, shape, format.name(), tolerance, () -> {
            Tensor exact = original(a).mm(original(b).t());
            double largest = exact.abs().max().item_double();
            return wide(Fp8Matmul.of(a, b, type, sums)).sub(exact).abs().max().item_double() / largest;
        });
    }

    /** NaN or infinity in one place leaves no finite number in the product. */
    private void notFinite() {
        for (double broken : new double[] {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY}) {
            check.compare("a product with " + broken, "[32, 64]", "E5M2", 0, () -> {
                Tensor x = tensors.normal(ScalarType.BFloat16, 32, 64);
                x.narrow(0, 31, 1).narrow(1, 63, 1).fill_(new Scalar(broken));
                QuantiseKernel kernel = QuantiseKernel.of(x);
                Fp8Matrix a = kernel.rows(x, kernel.largest(x), Fp8Format.E5M2);
                Tensor ones = x.narrow(0, 0, 16).mul(Scalars.of(0)).add(Scalars.of(1));
                Fp8Matrix b = kernel.rows(ones, kernel.largest(ones), Fp8Format.E4M3);
                Tensor product = Fp8Matmul.of(a, b, ScalarType.BFloat16, Sums.EXACT);
                return product.isfinite().to(ScalarType.Float).sum().item_double();
            });
        }
    }

    private void quantiseSpeeds(long width) {
        try (TensorScope scope = new TensorScope()) {
            Tensor x = tensors.normal(ScalarType.BFloat16, ROWS, width);
            QuantiseKernel kernel = QuantiseKernel.of(x);
            Tensor largest = kernel.largest(x);
            String shape = "[%d, %d]".formatted(ROWS, width);
            long elements = x.numel();
            Fp8Format format = Fp8Format.E4M3;
            check.speed("largest", shape, "bf16", 2 * elements, () -> kernel.largest(x));
            check.speed("rows", shape, "E4M3", 3 * elements, () -> kernel.rows(x, largest, format));
            check.speed("columns", shape, "E4M3", 3 * elements, () -> kernel.columns(x, largest, format));
            check.speed("both", shape, "E4M3", 4 * elements, () -> kernel.both(x, largest, format));
            check.speed("each row", shape, "E4M3", 3 * elements, () -> kernel.eachRow(x, format));
            Fp8Matrix rows = kernel.rows(x, largest, format);
            check.speed("transposed", shape, "E4M3", 2 * elements, () -> kernel.transposed(rows));
        }
    }

    /** Forward, gradient of the inputs, gradient of the weight. */
    private void productSpeeds(long inputs, long outputs) {
        try (TensorScope scope = new TensorScope()) {
            Tensor x = tensors.normal(ScalarType.BFloat16, ROWS, inputs);
            Tensor w = tensors.normal(ScalarType.BFloat16, outputs, inputs);
            Tensor dy = tensors.normal(ScalarType.BFloat16, ROWS, outputs);
            QuantiseKernel kernel = QuantiseKernel.of(x);
            QuantiseKernel.Both x8 = kernel.both(x, kernel.largest(x), Fp8Format.E4M3);
            QuantiseKernel.Both w8 = kernel.both(w, kernel.largest(w), Fp8Format.E4M3);
            QuantiseKernel.Both dy8 = kernel.both(dy, kernel.largest(dy), Fp8Format.E5M2);
            String shape = "[%d, %d]·[%2$d, %d]".formatted(ROWS, inputs, outputs);
            double operations = 2.0 * ROWS * inputs * outputs;
            check.rate("forward", shape, "bf16", operations, () -> x.mm(w.t()));
            check.rate("dx", shape, "bf16", operations, () -> dy.mm(w));
            check.rate("dW", shape, "bf16 to fp32", operations, () -> torch.mm(dy.t(), x, ScalarType.Float));
            for (Sums sums : Sums.values()) {
                String kind = "fp8 " + sums.name();
                check.rate("forward", shape, kind, operations, () -> bf16(x8.rows(), w8.rows(), sums));
                check.rate("dx", shape, kind, operations, () -> bf16(dy8.rows(), w8.columns(), sums));
                check.rate(
                        "dW",
                        shape,
                        kind + " to fp32",
                        operations,
                        () -> Fp8Matmul.of(dy8.columns(), x8.columns(), ScalarType.Float, sums));
            }
            Fp8Matrix xByRow = kernel.eachRow(x, Fp8Format.E4M3);
            Fp8Matrix wByRow = kernel.eachRow(w, Fp8Format.E4M3);
            check.rate("forward by row", shape, "fp8 FAST", operations, () -> bf16(xByRow, wByRow, Sums.FAST));
        }
    }

    private static Tensor bf16(Fp8Matrix a, Fp8Matrix b, Sums sums) {
        return Fp8Matmul.of(a, b, ScalarType.BFloat16, sums);
    }

    private static Tensor original(Fp8Matrix matrix) {
        return wide(matrix.values()).mul(wide(matrix.inverse()));
    }

    private static Tensor wide(Tensor x) {
        return x.to(ScalarType.Float).to(ScalarType.Double);
    }
}
