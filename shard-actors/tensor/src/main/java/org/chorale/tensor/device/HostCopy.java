// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.device;

import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.cuda.CUDAEvent;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.TensorScope;

/**
 * Values on their way from a device to the host, behind all that computes them and beside all that comes after. Whoever
 * reads them late waits for nothing.
 */
public final class HostCopy implements AutoCloseable {
    private static final long POLL_NANOS = 20_000;

    private final HeldTensors owner;
    private final Tensor values;
    private final boolean fromDevice;
    private final BooleanSupplier there;

    /** Of values on their way from a device. */
    HostCopy(HeldTensors owner, Tensor values, BooleanSupplier there) {
        this(owner, values, true, there);
    }

    private HostCopy(HeldTensors owner, Tensor values, boolean fromDevice, BooleanSupplier there) {
        this.owner = owner;
        this.values = values;
        this.fromDevice = fromDevice;
        this.there = there;
    }

    /**
     * Enqueues the copy on the thread's current stream and returns at once. Of values in host memory there is nothing to
     * copy: they are there, and must not be written any more.
     */
    public static HostCopy of(Tensor source) {
        HeldTensors owner = new HeldTensors();
        try (TensorScope scope = new TensorScope()) {
            if (source.is_cpu()) {
                return new HostCopy(owner, owner.hold(source), false, () -> true);
            }
            Tensor staged = Device.of(source)
                    .staging(source.scalar_type().intern(), source.sizes().vec().get());
            owner.hold(staged).copy_(source, true);
            CUDAEvent copied = owner.hold(new CUDAEvent());
            copied.record();
            return new HostCopy(owner, staged, copied::query);
        } catch (RuntimeException e) { // no pinned memory: what was had is given back
            owner.close();
            throw e;
        }
    }

    /** Whether {@link #await} returns at once. */
    public boolean isThere() {
        return there.getAsBoolean();
    }

    /**
     * Waits for the end of the copy.
     *
     * @return the values in host memory, which this owns
     * @throws DeviceTimeoutException where the device takes longer than {@code patience}
     */
    public Tensor await(Duration patience) {
        return await(patience, () -> {});
    }

    /**
     * Waits for the end of the copy of values that ranks have computed together.
     *
     * @param check asked again and again, and once more when the values are there: throws where they will not come, or are
     *     not to be believed, since what computes them was given up. Not asked of values that were in host memory before.
     * @return the values in host memory, which this owns
     * @throws DeviceTimeoutException where the device takes longer than {@code patience}
     */
    public Tensor await(Duration patience, Runnable check) {
        if (!fromDevice) {
            return values;
        }
        long startNanos = System.nanoTime();
        while (!isThere()) {
            check.run();
            if (System.nanoTime() - startNanos > patience.toNanos()) {
                throw new DeviceTimeoutException(patience);
            }
            LockSupport.parkNanos(POLL_NANOS);
        }
        check.run();
        return values;
    }

    @Override
    public void close() {
        owner.close();
    }
}
