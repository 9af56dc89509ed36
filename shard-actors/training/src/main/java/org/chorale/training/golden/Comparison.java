// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.golden;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.safetensors.InvalidFileException;
import org.chorale.tensor.safetensors.SafetensorsFile;
import org.chorale.training.golden.GoldenCheck.Row;

/**
 * A golden file, and a row for each of its quantities that was compared. A GPU adds up in another order than the CPU that
 * the tolerances are for, and is given ten times those.
 */
final class Comparison {
    private static final double GPU_TOLERANCES = 10;

    private final SafetensorsFile golden;
    private final double tolerances;
    private final List<Row> rows = new ArrayList<>();

    /** @param device that computes */
    Comparison(SafetensorsFile golden, Device device) {
        this.golden = golden;
        this.tolerances = device.isCuda() ? GPU_TOLERANCES : 1;
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
        row(quantity, largestDifference(actual, expected), tolerance);
    }

    /** As a share of the expected tensor's largest magnitude, where the golden file has the quantity. */
    void compareRelative(String quantity, Tensor actual, double tolerance) {
        if (has(quantity)) {
            requireShape(quantity, shape(actual));
            Tensor expected = golden.tensor(quantity);
            double magnitude = expected.abs().max().item_float();
            double difference = largestDifference(actual, expected);
            row(quantity, magnitude == 0 ? difference : difference / magnitude, tolerance);
        }
    }

    void row(String quantity, double difference, double tolerance) {
        double allowed = tolerance * tolerances;
        rows.add(new Row(quantity, difference, allowed, difference <= allowed, "")); // NaN fails
    }

    /** What cannot be compared, or is no number. */
    void differs(String quantity, String note) {
        rows.add(new Row(quantity, Double.NaN, 0, false, note));
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

    private static double largestDifference(Tensor actual, Tensor expected) {
        try (TensorScope scope = new TensorScope()) {
            return torch.max(actual.cpu().sub(expected).abs()).item_float(); // max propagates NaN
        }
    }
}
