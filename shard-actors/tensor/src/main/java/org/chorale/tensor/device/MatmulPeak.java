// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.device;

import java.util.Arrays;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.TensorScope;

/** How fast a device multiplies matrices at best: what a step's speed is held against. */
public final class MatmulPeak {
    private static final ConcurrentMap<Device, Double> MEASURED = new ConcurrentHashMap<>();

    /** On a CPU the large one would take minutes. */
    private static final long GPU_SIDE = 8192;

    private static final long CPU_SIDE = 256;
    private static final int BLOCKS = 5;
    private static final int PRODUCTS_PER_BLOCK = 20;

    private MatmulPeak() {}

    /** {@link #flopsPerSecond}, measured at the first call in this process; takes some 0.3 s on a GPU. */
    public static double ofProcess(Device device) {
        return MEASURED.computeIfAbsent(device, MatmulPeak::flopsPerSecond);
    }

    /** bf16 operations per second, of square matrices: the median of the blocks after the first. */
    public static double flopsPerSecond(Device device) {
        long side = device.isCuda() ? GPU_SIDE : CPU_SIDE;
        try (TensorScope scope = new TensorScope()) {
            Tensor a = drawn(device, side);
            Tensor b = drawn(device, side);
            Tensor product = device.empty(ScalarType.BFloat16, side, side);
            block(device, a, b, product);
            double[] seconds = new double[BLOCKS];
            for (int i = 0; i < BLOCKS; i++) {
                seconds[i] = block(device, a, b, product);
            }
            Arrays.sort(seconds);
            return PRODUCTS_PER_BLOCK * 2.0 * side * side * side / seconds[BLOCKS / 2];
        }
    }

    private static double block(Device device, Tensor a, Tensor b, Tensor product) {
        device.await();
        long started = System.nanoTime();
        for (int i = 0; i < PRODUCTS_PER_BLOCK; i++) {
            try (TensorScope scope = new TensorScope()) {
                torch.mm_out(product, a, b);
            }
        }
        device.await();
        return (System.nanoTime() - started) / 1e9;
    }

    private static Tensor drawn(Device device, long side) {
        return device.empty(ScalarType.BFloat16, side, side).normal_(0, 1, new GeneratorOptional());
    }
}
