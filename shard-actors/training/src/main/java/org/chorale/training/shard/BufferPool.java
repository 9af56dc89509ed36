// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.shard;

import java.util.IdentityHashMap;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.device.DeviceStream;

/**
 * Where units take flat buffers from and give them back to: whole values and gradients, and parts of gradients. What is
 * given back is freed, so that units of other sizes have the memory next, and activations too.
 *
 * <p>On a GPU libtorch's allocator keeps what is freed, and the host waits for nothing. A buffer that was given back may
 * still be read there, by what has been enqueued on the compute stream; whoever gives one back that another stream used
 * has let the compute stream wait for that. Buffers are of the compute stream, so whoever has the memory next uses it on
 * that stream, or on another one that waits for it first, as every collective does.
 */
final class BufferPool implements AutoCloseable {
    private final IdentityHashMap<Tensor, HeldTensors> used = new IdentityHashMap<>();
    private final Device device;
    private final DeviceStream aside;
    private final boolean poisoning;
    private long bytes;
    private long peakBytes;

    /**
     * An empty one.
     *
     * @param device where its buffers are
     * @param poisoning whether what is given back is filled with NaN, so that whoever still reads it is
     *     found out
     */
    BufferPool(Device device, boolean poisoning) {
        this.device = device;
        this.aside = DeviceStream.pooled(device);
        this.poisoning = poisoning;
    }

    Device device() {
        return device;
    }

    /** The stream of what fills buffers beside the computation. */
    DeviceStream aside() {
        return aside;
    }

    /** A buffer of this length whose values mean nothing. Called while the compute stream is the current one. */
    Tensor take(ScalarType type, long elements) {
        HeldTensors owner = new HeldTensors();
        try (TensorScope scope = new TensorScope()) {
            Tensor buffer = owner.hold(device.empty(type, elements));
            used.put(buffer, owner);
            bytes += buffer.nbytes();
            peakBytes = Math.max(peakBytes, bytes);
            return buffer;
        }
    }

    /** Nobody uses the buffer any more. */
    void give(Tensor buffer) {
        HeldTensors owner = used.remove(buffer);
        if (owner == null) {
            throw new IllegalStateException("a buffer is given back that was not taken");
        }
        if (poisoning) {
            try (TensorScope scope = new TensorScope()) {
                buffer.fill_(Scalars.of(Double.NaN));
            }
        }
        bytes -= buffer.nbytes();
        owner.close();
    }

    /** The most that was in use at once. */
    long peakBytes() {
        return peakBytes;
    }

    @Override
    public void close() {
        aside.close();
        used.values().forEach(HeldTensors::close);
        used.clear();
    }
}
