// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.device;

import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * Copies values of any length from host memory, such as a mapped file, to where they are computed with. To a GPU they go
 * as they are, through two pieces of pinned memory in turn: while one is on its way the next is read. The GPU converts
 * their dtype.
 *
 * <pre>
 * host     read 0 | read 1 | read 2 ...
 * wires           | copy 0 | copy 1 ...
 * </pre>
 *
 * libtorch's own copy would convert all of it on the host first, in memory for all of it.
 */
public final class StagedCopy {
    /** Of a piece; enough for the wires, and little to wait for at the end. */
    private static final long PIECE_BYTES = 16L << 20;

    private static final long POLL_NANOS = 20_000;

    /** No wires are so slow. */
    private static final Duration PATIENCE = Duration.ofMinutes(1);

    private StagedCopy() {}

    /**
     * Copies, rounding to the target's dtype. When this returns, the source has been read.
     *
     * @param source [n] in host memory, contiguous
     * @param target [n] on any device, contiguous; on a GPU it is there for what its current stream does next
     * @throws DeviceTimeoutException where a GPU does not take a piece
     */
    public static void copy(Tensor source, Tensor target) {
        if (!target.is_cuda()) {
            try (TensorScope scope = new TensorScope()) {
                target.copy_(source);
            }
            return;
        }
        copy(source, target, Math.max(1, PIECE_BYTES / source.element_size()));
    }

    /** @param pieceElements that are copied at once */
    static void copy(Tensor source, Tensor target, long pieceElements) {
        long elements = source.numel();
        long length = Math.min(pieceElements, elements);
        try (TensorScope scope = new TensorScope();
                Piece even = new Piece(source, target, length);
                Piece odd = new Piece(source, target, length)) {
            Piece next = even;
            for (long from = 0; from < elements; from += length) {
                long count = Math.min(length, elements - from);
                next.send(source.narrow(0, from, count), target.narrow(0, from, count));
                next = next == even ? odd : even;
            }
        }
    }

    /** Memory on both sides for a part of the values, and the end of the copy that was last made with it. */
    private static final class Piece implements AutoCloseable {
        private final HeldTensors owner = new HeldTensors();
        private final Device device;
        private final Tensor staged;
        private final @Nullable Tensor arrived; // null where values arrive as the target has them
        private DeviceEvent copied = DeviceEvent.over();

        Piece(Tensor source, Tensor target, long length) {
            ScalarType type = source.scalar_type().intern();
            this.device = Device.of(target);
            try (TensorScope scope = new TensorScope()) {
                this.staged = owner.hold(device.staging(type, length));
                this.arrived = target.scalar_type().intern() == type ? null : owner.hold(device.empty(type, length));
            } catch (RuntimeException e) { // no memory: what was had is given back
                owner.close();
                throw e;
            }
        }

        void send(Tensor source, Tensor target) {
            await();
            try (TensorScope scope = new TensorScope();
                    DeviceStream stream = DeviceStream.current(device)) {
                Tensor read = staged.narrow(0, 0, source.numel()).copy_(source);
                if (arrived == null) {
                    target.copy_(read, true);
                } else {
                    target.copy_(arrived.narrow(0, 0, source.numel()).copy_(read, true));
                }
                copied.close();
                copied = stream.record();
            }
        }

        private void await() {
            long startNanos = System.nanoTime();
            while (!copied.isOver()) {
                if (System.nanoTime() - startNanos > PATIENCE.toNanos()) {
                    throw new DeviceTimeoutException(PATIENCE);
                }
                LockSupport.parkNanos(POLL_NANOS);
            }
        }

        @Override
        public void close() {
            try {
                await();
            } finally {
                copied.close();
                owner.close();
            }
        }
    }
}
