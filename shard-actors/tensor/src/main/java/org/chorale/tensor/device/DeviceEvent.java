// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.device;

import org.bytedeco.pytorch.cuda.CUDAEvent;
import org.chorale.tensor.HeldTensors;
import org.jspecify.annotations.Nullable;

/**
 * A place in the work of a {@link DeviceStream}: it is over when all that stands before it is. On the CPU it is over at
 * once. It may be closed before it is over; streams that wait for it go on waiting.
 */
public final class DeviceEvent implements AutoCloseable {
    private static final DeviceEvent OVER = new DeviceEvent(null);

    private final HeldTensors owner = new HeldTensors();
    private final @Nullable CUDAEvent event; // null on the CPU

    private DeviceEvent(@Nullable CUDAEvent event) {
        this.event = event == null ? null : owner.hold(event);
    }

    static DeviceEvent over() {
        return OVER;
    }

    /** Takes a recorded one over. */
    static DeviceEvent of(CUDAEvent event) {
        return new DeviceEvent(event);
    }

    /** Whether all that stands before it is done. Asked from any thread; waits for nothing. */
    public boolean isOver() {
        return event == null || event.query();
    }

    @Nullable
    CUDAEvent event() {
        return event;
    }

    @Override
    public void close() {
        owner.close();
    }
}
