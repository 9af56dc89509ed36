// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.util.Locale;
import java.util.Random;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;

/** What kernels are checked with: random numbers on a device, and how far two tensors are from each other. */
record CheckTensors(Device device, Random random) {
    /** A dtype, the largest error of one rounding to it and some arithmetic, and the size below which it is less precise. */
    enum Dtype {
        FP32(ScalarType.Float, 1e-5, 1e-6),
        BF16(ScalarType.BFloat16, 5e-3, 1e-6),
        FP16(ScalarType.Half, 1e-3, 1e-4);

        final ScalarType scalar;
        final double tolerance;
        final double floor;

        Dtype(ScalarType scalar, double tolerance, double floor) {
            this.scalar = scalar;
            this.tolerance = tolerance;
            this.floor = floor;
        }

        String word() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** Of a normal distribution. */
    Tensor normal(ScalarType type, long... shape) {
        return device.empty(type, shape).normal_();
    }

    /** [1] fp32 */
    Tensor number(double value) {
        try (TensorScope scope = new TensorScope()) {
            return scope.keep(device.zeros(ScalarType.Float, 1).fill_(new Scalar(value)));
        }
    }

    /** [rows] int64 */
    Tensor tokens(long rows, long vocabulary) {
        return device.ofLongs(random.longs(rows, 0, vocabulary).toArray(), rows);
    }

    /**
     * The largest difference as a share of the reference, whose elements count as no smaller than the floor. NaN where
     * anything is.
     */
    static double error(Tensor actual, Tensor reference, double floor) {
        try (TensorScope scope = new TensorScope()) {
            return error(
                    actual, reference, reference.to(ScalarType.Double).abs().clamp_min_(Scalars.of(floor)));
        }
    }

    /** Likewise, as a share of a scale for each element. */
    static double error(Tensor actual, Tensor reference, Tensor scale) {
        try (TensorScope scope = new TensorScope()) {
            Tensor difference = actual.to(ScalarType.Double).sub(reference.to(ScalarType.Double));
            return difference.abs_().div_(scale).max().item_double();
        }
    }
}
