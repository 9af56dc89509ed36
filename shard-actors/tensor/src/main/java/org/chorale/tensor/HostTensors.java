// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor;

import java.nio.DoubleBuffer;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.LongBuffer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Makes tensors in host memory; each belongs to the innermost open scope. */
public final class HostTensors {
    private HostTensors() {}

    /** Uninitialised. */
    public static Tensor empty(ScalarType type, long... shape) {
        return torch.empty(shape, options(type), null);
    }

    /** All zero. */
    public static Tensor zeros(ScalarType type, long... shape) {
        return torch.zeros(shape, options(type));
    }

    /** A copy of the values as int64. */
    public static Tensor ofLongs(long[] values, long... shape) {
        return put(values, empty(ScalarType.Long, shape));
    }

    /** Writes the values into an int64 tensor of as many. */
    public static Tensor put(long[] values, Tensor tensor) {
        if (values.length > 0) {
            tensor.<LongBuffer>createBuffer().put(values);
        }
        return tensor;
    }

    /** A copy of the values as fp64. */
    public static Tensor ofDoubles(double[] values, long... shape) {
        return put(values, empty(ScalarType.Double, shape));
    }

    /** Writes the values into an fp64 tensor of as many. */
    public static Tensor put(double[] values, Tensor tensor) {
        if (values.length > 0) {
            tensor.<DoubleBuffer>createBuffer().put(values);
        }
        return tensor;
    }

    /** Writes the values into an fp32 tensor of as many. */
    public static Tensor put(float[] values, Tensor tensor) {
        if (values.length > 0) {
            tensor.<FloatBuffer>createBuffer().put(values);
        }
        return tensor;
    }

    /** A copy of the values as int32. */
    public static Tensor ofInts(int[] values, long... shape) {
        return put(values, empty(ScalarType.Int, shape));
    }

    /** Writes the values into an int32 tensor of as many. */
    public static Tensor put(int[] values, Tensor tensor) {
        if (values.length > 0) {
            tensor.<IntBuffer>createBuffer().put(values);
        }
        return tensor;
    }

    private static TensorOptions options(ScalarType type) {
        return new TensorOptions(type);
    }
}
