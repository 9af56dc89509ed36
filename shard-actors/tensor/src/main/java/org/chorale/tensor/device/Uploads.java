// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.device;

import com.google.errorprone.annotations.MustBeClosed;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * The numbers of batches on their way to a device. Those of one batch are copied in one go, out of pinned memory, by a
 * stream of their own beside what the device computes for the batch before. The computing stream waits for the copy, and
 * the next copy but one, which goes to the same place, for the end of the computing; the host waits for neither.
 */
public final class Uploads implements AutoCloseable {
    /** One for the batch that is computed, one for the next. */
    private static final int PLACES = 2;

    private final Device device;
    private final DeviceStream copies;
    private final List<Place> places;
    private int sent;

    public Uploads(Device device) {
        this.device = device;
        this.copies = DeviceStream.pooled(device);
        this.places = Stream.generate(() -> new Place(device)).limit(PLACES).toList();
    }

    /**
     * Sends columns of numbers, which may be used on the thread's current stream until the batch is closed.
     *
     * @throws IllegalStateException where the batch before the last is still open
     */
    @MustBeClosed
    public Sent send(long[]... columns) {
        Place place = places.get(sent % PLACES);
        place.refuseInUse();
        int length = Stream.of(columns).mapToInt(column -> column.length).sum();
        try (TensorScope scope = new TensorScope();
                DeviceStream compute = DeviceStream.current(device)) {
            Tensor there = place.buffer(length, compute).narrow(0, 0, length);
            Tensor staged = staged(length, columns);
            copies.await(place.free());
            try (var copying = copies.use()) {
                there.copy_(staged, true); // libtorch keeps the pinned memory until the copy is over
            }
            try (DeviceEvent copied = copies.record()) {
                compute.await(copied);
            }
            sent++;
            return new Sent(place, there, columns);
        }
    }

    private Tensor staged(int length, long[]... columns) {
        Tensor staged = device.staging(ScalarType.Long, length);
        int begin = 0;
        for (long[] column : columns) {
            HostTensors.put(column, staged.narrow(0, begin, column.length));
            begin += column.length;
        }
        return staged;
    }

    @Override
    public void close() {
        places.forEach(Place::close);
        copies.close();
    }

    /** A batch's numbers on the device. Whoever closes it has enqueued all that reads them. */
    public static final class Sent implements AutoCloseable {
        private final HeldTensors owner = new HeldTensors();
        private final Place place;
        private final List<Tensor> columns = new ArrayList<>();

        private Sent(Place place, Tensor there, long[]... columns) {
            this.place = place;
            place.inUse = true;
            int begin = 0;
            for (long[] column : columns) {
                this.columns.add(owner.hold(there.narrow(0, begin, column.length)));
                begin += column.length;
            }
        }

        /** One of them in the order in which they were sent, [n] int64. */
        public Tensor column(int index) {
            return columns.get(index);
        }

        @Override
        public void close() {
            owner.close();
            place.endUse();
        }
    }

    /** Memory of the device that one batch after another is copied to. It belongs to the computing stream. */
    private static final class Place implements AutoCloseable {
        private final Device device;
        private HeldTensors owner = new HeldTensors();
        private @Nullable Tensor buffer; // [capacity] int64
        private DeviceEvent free = DeviceEvent.over(); // behind all that computes with what is there
        private boolean inUse;

        Place(Device device) {
            this.device = device;
        }

        void refuseInUse() {
            if (inUse) {
                throw new IllegalStateException(PLACES + " batches are on the device, and none of them is closed");
            }
        }

        /** With room for so many; memory that is taken anew was the computing stream's, which may still be using it. */
        Tensor buffer(int length, DeviceStream compute) {
            Tensor present = buffer;
            if (present != null && present.numel() >= length) {
                return present;
            }
            owner.close();
            owner = new HeldTensors();
            buffer = null;
            Tensor larger = owner.hold(device.empty(ScalarType.Long, capacity(length)));
            buffer = larger;
            comeFree(compute);
            return larger;
        }

        DeviceEvent free() {
            return free;
        }

        void endUse() {
            inUse = false;
            try (DeviceStream compute = DeviceStream.current(device)) {
                comeFree(compute);
            }
        }

        private void comeFree(DeviceStream compute) {
            free.close();
            free = compute.record();
        }

        /** The next power of two, so that batches of many widths soon fit. */
        private static long capacity(int length) {
            return length <= 1 ? 1 : Long.highestOneBit(length - 1L) << 1;
        }

        @Override
        public void close() {
            free.close();
            owner.close();
        }
    }
}
