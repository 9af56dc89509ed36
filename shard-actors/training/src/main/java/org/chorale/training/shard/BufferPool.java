// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.shard;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.device.DeviceStream;

/**
 * Flat buffers that units use in turn, by dtype and length: as many as were ever in use at once, kept until this closes.
 *
 * <p>On a GPU a buffer that was given back may still be read, by what has been enqueued on the compute stream; whoever
 * gives one back that another stream used has let the compute stream wait for that. So whoever takes it uses it on the
 * compute stream, or on another one that waits for the compute stream first, as every collective does.
 */
final class BufferPool implements AutoCloseable {
    private record Kind(ScalarType type, long elements) {}

    private final HeldTensors owner = new HeldTensors();
    private final Map<Kind, Deque<Tensor>> free = new HashMap<>();
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

    /** A buffer of this length whose values mean nothing. */
    Tensor take(ScalarType type, long elements) {
        Tensor known = free(type, elements).poll();
        Tensor buffer = known == null ? make(type, elements) : known;
        bytes += buffer.nbytes();
        peakBytes = Math.max(peakBytes, bytes);
        return buffer;
    }

    /** Nobody uses the buffer any more. */
    void give(Tensor buffer) {
        if (poisoning) {
            try (TensorScope scope = new TensorScope()) {
                buffer.fill_(Scalars.of(Double.NaN));
            }
        }
        bytes -= buffer.nbytes();
        free(buffer.scalar_type().intern(), buffer.numel()).push(buffer);
    }

    /** The most that was in use at once. */
    long peakBytes() {
        return peakBytes;
    }

    @Override
    public void close() {
        aside.close();
        owner.close();
    }

    private Deque<Tensor> free(ScalarType type, long elements) {
        return free.computeIfAbsent(new Kind(type, elements), kind -> new ArrayDeque<>());
    }

    private Tensor make(ScalarType type, long elements) {
        try (TensorScope scope = new TensorScope()) {
            return owner.hold(device.empty(type, elements));
        }
    }
}
