// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.golden;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.safetensors.InvalidFileException;
import org.chorale.tensor.safetensors.SafetensorsFile;
import org.chorale.training.golden.GoldenCheck.Row;
import org.chorale.training.shard.Precision;

/**
 * A golden file, and a row for each of its quantities that was compared. A GPU adds up in another order than the CPU that
 * the tolerances are for, and is given ten times those, and so are mixtures of experts. They are for fp32; of other
 * formats the error is measured, and nothing but a number that is not finite fails.
 */
final class Comparison {
    private static final double GPU_TOLERANCES = 10;
    private static final double MIXTURE_TOLERANCES = 10;

    private final SafetensorsFile golden;
    private final double tolerances;
    private final List<Row> rows = new ArrayList<>();

    /**
     * @param device that computes
     * @param sparse whether the model has mixtures of experts
     */
    Comparison(SafetensorsFile golden, Precision precision, Device device, boolean sparse) {
        this.golden = golden;
        double ofFp32 = (device.isCuda() ? GPU_TOLERANCES : 1) * (sparse ? MIXTURE_TOLERANCES : 1);
        this.tolerances = precision == Precision.FP32 ? ofFp32 : Double.POSITIVE_INFINITY;
    }

    SafetensorsFile golden() {
        return golden;
    }

    List<Row> rows() {
        return rows;
    }

    boolean has(String name) {
        return golden.header().find(name).isPresent();
    }

    /** Compares where the golden file has the quantity. */
    void compare(String quantity, Tensor actual, double tolerance) {
        if (has(quantity)) {
            requireShape(quantity, shape(actual));
            compare(quantity, actual, golden.tensor(quantity), tolerance);
        }
    }

    void compare(String quantity, Tensor actual, Tensor expected, double tolerance) {
        try (TensorScope scope = new TensorScope()) {
            Errors errors = Errors.of(actual, expected);
            row(quantity, errors.largest(), errors.relative(), tolerance);
        }
    }

    /** Likewise, where the file has it; the tolerance is a share of the expected tensor's largest magnitude. */
    void compareRelative(String quantity, Tensor actual, double tolerance) {
        if (has(quantity)) {
            requireShape(quantity, shape(actual));
            try (TensorScope scope = new TensorScope()) {
                Errors errors = Errors.of(actual, golden.tensor(quantity));
                double magnitude = errors.magnitude() == 0 ? 1 : errors.magnitude();
                row(quantity, errors.largest() / magnitude, errors.relative(), tolerance);
            }
        }
    }

    /** Likewise; the tolerance is a share of each element. */
    void compareEach(String quantity, Tensor actual, double tolerance) {
        if (has(quantity)) {
            requireShape(quantity, shape(actual));
            try (TensorScope scope = new TensorScope()) {
                Tensor expected = golden.tensor(quantity);
                double largest = Errors.of(actual.div(expected), torch.ones_like(expected))
                        .largest();
                row(quantity, largest, Errors.of(actual, expected).relative(), tolerance);
            }
        }
    }

    /** What is the same, to the last bit. */
    void same(String quantity) {
        rows.add(new Row(quantity, 0, 0, 0, true, ""));
    }

    /** What cannot be compared, or is no number. */
    void differs(String quantity, String note) {
        rows.add(new Row(quantity, Double.NaN, Double.NaN, 0, false, note));
    }

    private void row(String quantity, double difference, double relative, double tolerance) {
        double allowed = tolerance * tolerances;
        boolean passed = difference <= allowed && Double.isFinite(difference); // NaN fails
        rows.add(new Row(quantity, difference, relative, allowed, passed, ""));
    }

    void requireShape(String name, List<Long> shape) {
        if (!golden.entry(name).shape().equals(shape)) {
            throw invalid(
                    name,
                    "has shape %s, must be %s".formatted(golden.entry(name).shape(), shape));
        }
    }

    InvalidFileException invalid(String tensor, String problem) {
        return new InvalidFileException(golden.header().file(), tensor, problem);
    }

    static List<Long> shape(Tensor tensor) {
        return LongStream.of(tensor.shape()).boxed().toList();
    }

    /**
     * How far a tensor is from another.
     *
     * @param largest difference of an element
     * @param magnitude of the largest element that was expected
     * @param relative L2 norm of the differences, as a share of that of the expected values; the norm itself where those
     *     are all zero
     */
    private record Errors(double largest, double magnitude, double relative) {
        static Errors of(Tensor actual, Tensor expected) {
            Tensor wanted = expected.to(ScalarType.Double);
            Tensor difference = actual.cpu().to(ScalarType.Double).sub(wanted);
            double norm = wanted.norm().item_double();
            double ofDifference = difference.norm().item_double();
            return new Errors(
                    torch.max(difference.abs()).item_double(), // max propagates NaN
                    torch.max(wanted.abs()).item_double(),
                    norm == 0 ? ofDifference : ofDifference / norm);
        }
    }
}
