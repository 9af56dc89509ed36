// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.device;

import com.google.errorprone.annotations.MustBeClosed;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.pytorch.cuda.CUDAEvent;
import org.bytedeco.pytorch.cuda.CUDAStream;
import org.bytedeco.pytorch.global.torch_cuda;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * Work that a GPU does in order, beside that of other streams. The CPU has a single one, whose work is done when a call
 * returns: there nothing of this class does anything.
 *
 * <pre>{@code
 * try (var copying = copies.use()) {
 *     batch.copy_(staged, true); // beside what the compute stream does
 * }
 * try (DeviceEvent copied = copies.record()) {
 *     compute.await(copied); // the compute stream waits, the host does not
 * }
 * }</pre>
 *
 * <p>What is allocated while a stream is in use is taken to be free again, once it is freed, for whatever that stream
 * does next: before a tensor of one stream is freed that another one reads, the first has to wait for the other.
 */
public final class DeviceStream implements AutoCloseable {
    private static final boolean URGENT = true;

    private final HeldTensors owner = new HeldTensors();
    private final @Nullable CUDAStream stream; // null on the CPU

    /** Takes over a reference of the thread's innermost open scope. */
    private DeviceStream(@Nullable CUDAStream stream) {
        this.stream = stream == null ? null : owner.hold(stream);
    }

    /** One of a device's, of which libtorch has 32 that it hands out in turn. */
    public static DeviceStream pooled(Device device) {
        return pooled(device, !URGENT);
    }

    /** Likewise, whose kernels start before those of others that are ready, too. */
    public static DeviceStream urgent(Device device) {
        return pooled(device, URGENT);
    }

    private static DeviceStream pooled(Device device, boolean urgent) {
        try (TensorScope scope = new TensorScope()) {
            return new DeviceStream(
                    device.isCuda() ? torch_cuda.getStreamFromPool(urgent, (byte) device.index()) : null);
        }
    }

    /** That which the calling thread enqueues on now. */
    public static DeviceStream current(Device device) {
        try (TensorScope scope = new TensorScope()) {
            return new DeviceStream(device.isCuda() ? torch_cuda.getCurrentCUDAStream((byte) device.index()) : null);
        }
    }

    /** Has the calling thread enqueue on this stream until what is returned is closed, on the same thread. */
    @MustBeClosed
    public Use use() {
        return new Use(stream);
    }

    /** A place behind all that has been enqueued so far. The caller closes it. */
    public DeviceEvent record() {
        if (stream == null) {
            return DeviceEvent.over();
        }
        try (TensorScope scope = new TensorScope()) {
            CUDAEvent event = new CUDAEvent();
            event.record(stream);
            return DeviceEvent.of(event);
        }
    }

    /** What is enqueued from now on begins when the event is over. The host does not wait. */
    public void await(DeviceEvent event) {
        CUDAEvent place = event.event();
        if (stream != null && place != null) {
            place.block(stream);
        }
    }

    /** Whether all that has been enqueued is done. */
    public boolean isIdle() {
        return stream == null || stream.query();
    }

    /**
     * As CUDA's libraries take it; null on the CPU. In the caller's scope.
     */
    public @Nullable CUstream_st handle() {
        return stream == null ? null : stream.stream();
    }

    /** Lets go of the stream; what was enqueued goes on. */
    @Override
    public void close() {
        owner.close();
    }

    /** While it is open, its thread enqueues on a stream; then again on the one before. */
    public static final class Use implements AutoCloseable {
        private final HeldTensors owner = new HeldTensors();
        private final @Nullable CUDAStream before; // null on the CPU

        private Use(@Nullable CUDAStream stream) {
            if (stream == null) {
                before = null;
                return;
            }
            try (TensorScope scope = new TensorScope()) {
                before = owner.hold(torch_cuda.getCurrentCUDAStream(stream.device_index()));
            }
            torch_cuda.setCurrentCUDAStream(stream);
        }

        @Override
        public void close() {
            if (before != null) {
                torch_cuda.setCurrentCUDAStream(before);
                owner.close();
            }
        }
    }
}
