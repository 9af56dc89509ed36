// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.kernel;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.cuda.global.cudart;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch_cuda;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.kernel.Kernel.Loaded;
import org.jspecify.annotations.Nullable;

/**
 * The arguments of one launch, checked against the function's own in number and size.
 *
 * <p>Each thread has one of these, and uses it again for every launch of every kernel: the driver copies the arguments
 * before a launch returns. A launch allocates a wrapper for each tensor's address (24 bytes of heap), the stream's two,
 * and a scope; in native memory the stream's wrapper alone, which is freed at once.
 */
public final class Launch {
    private static final int MAX_ARGUMENTS = 64;
    private static final @Nullable PointerPointer<?> NO_EXTRA = null;

    private final ByteBuffer values =
            ByteBuffer.allocateDirect(MAX_ARGUMENTS * Long.BYTES).order(ByteOrder.nativeOrder());
    private final ByteBuffer addresses =
            ByteBuffer.allocateDirect(MAX_ARGUMENTS * Long.BYTES).order(ByteOrder.nativeOrder());
    private final PointerPointer<?> table = new PointerPointer<>(new Pointer(addresses)); // of the values
    private @Nullable Loaded kernel; // null while no launch has begun
    private int given; // arguments so far

    Launch() {
        long first = new Pointer(values).address();
        for (int at = 0; at < addresses.capacity(); at += Long.BYTES) {
            addresses.putLong(at, first + at);
        }
    }

    /** For a thread that launches through the driver for the first time. */
    static Launch entering() {
        Driver.enterContext();
        return new Launch();
    }

    Launch begin(Loaded kernel) {
        this.kernel = kernel;
        given = 0;
        return this;
    }

    /** The address of a tensor's first element. */
    public Launch tensor(Tensor tensor) {
        if (!tensor.is_cuda()) {
            throw new IllegalArgumentException(
                    "argument %d of %s does not lie on a GPU".formatted(given + 1, begun().name()));
        }
        return address(tensor.data_ptr().address());
    }

    /** Likewise, or 0 where there is none. */
    public Launch optional(@Nullable Tensor tensor) {
        return tensor == null ? address(0) : tensor(tensor);
    }

    /** A {@code long long}. */
    public Launch count(long value) {
        values.putLong(slot(Long.BYTES), value);
        return this;
    }

    /** An {@code int}. */
    public Launch index(int value) {
        values.putInt(slot(Integer.BYTES), value);
        return this;
    }

    /** A {@code float}. */
    public Launch number(float value) {
        values.putFloat(slot(Float.BYTES), value);
        return this;
    }

    /** A {@code double}. */
    public Launch real(double value) {
        values.putDouble(slot(Double.BYTES), value);
        return this;
    }

    /** Enqueues the launch; nothing where there are no blocks. */
    public void run(long blocks, int threads) {
        run(blocks, 1, threads);
    }

    /** Enqueues the launch over a grid of {@code columns} by {@code rows} blocks; nothing where there are none. */
    public void run(long columns, int rows, int threads) {
        Loaded launched = begun();
        kernel = null;
        if (given != launched.argumentBytes().size()) {
            throw new IllegalArgumentException("%s takes %d arguments, not %d"
                    .formatted(launched.name(), launched.argumentBytes().size(), given));
        }
        if (columns == 0 || rows == 0) {
            return;
        }
        int width = Math.toIntExact(columns);
        try (TensorScope scope = new TensorScope()) {
            CUstream_st stream = torch_cuda.getCurrentCUDAStream().stream();
            int status = cudart.cuLaunchKernel(
                    launched.function(), width, rows, 1, threads, 1, 1, 0, stream, table, NO_EXTRA);
            if (status != cudart.CUDA_SUCCESS) {
                Driver.check(
                        status,
                        "cuLaunchKernel of %s, %d×%d blocks of %d threads"
                                .formatted(launched.name(), columns, rows, threads));
            }
        }
    }

    /** The values as they lie in memory, for tests. */
    ByteBuffer values() {
        return values.asReadOnlyBuffer().order(ByteOrder.nativeOrder());
    }

    private Launch address(long address) {
        values.putLong(slot(Long.BYTES), address);
        return this;
    }

    /** Where the next argument's value goes. */
    private int slot(int bytes) {
        Loaded launched = begun();
        List<Integer> sizes = launched.argumentBytes();
        if (given >= sizes.size() || given >= MAX_ARGUMENTS || sizes.get(given) != bytes) {
            throw new IllegalArgumentException("argument %d of %s is none of %d bytes: it takes %s"
                    .formatted(given + 1, launched.name(), bytes, sizes));
        }
        return Long.BYTES * given++;
    }

    private Loaded begun() {
        if (kernel == null) {
            throw new IllegalStateException("another launch came between: one is filled in at a time");
        }
        return kernel;
    }
}
