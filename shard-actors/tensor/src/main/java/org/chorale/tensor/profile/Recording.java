// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.profile;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.device.HostCopy;

/**
 * A timeline in the making. Any thread may add to it; what a GPU does is recorded by CUPTI, of which a process has one, so
 * that it has one recording of a GPU at a time.
 */
public final class Recording implements AutoCloseable {
    /** Some 60 bytes each, and some 150 in the file. */
    static final int MOST_SPANS = 1_000_000;

    private final Device device;
    private final Instant started = Instant.now();
    private final long startNanos = System.nanoTime();
    private final Optional<DeviceActivity> activity;
    private final List<Span> spans = new ArrayList<>();
    private long lost;
    private boolean open = true;

    private Recording(Device device, Optional<DeviceActivity> activity) {
        this.device = device;
        this.activity = activity;
    }

    /**
     * Begins.
     *
     * @param device bound to the calling thread; of the CPU there is nothing but what is added
     * @throws ProfileException where CUPTI is missing or refuses; the message says what to do
     */
    public static Recording start(Device device) {
        return new Recording(device, device.isCuda() ? Optional.of(DeviceActivity.start()) : Optional.empty());
    }

    /** Adds what ends now; nothing once stopped. */
    public void add(Lane lane, String name, long spanStartNanos) {
        add(new Span(lane, name, spanStartNanos, System.nanoTime(), 0));
    }

    /** Adds what lies within the recording of a span; nothing once stopped. */
    public synchronized void add(Span span) {
        if (!open || span.endNanos() < startNanos) {
            return;
        }
        if (spans.size() < MOST_SPANS) {
            spans.add(span.from(startNanos));
        } else {
            lost++;
        }
    }

    /**
     * Waits for what the calling thread has enqueued, and ends; once.
     *
     * @throws org.chorale.tensor.device.DeviceTimeoutException where the device takes longer than {@code patience}
     */
    public synchronized Timeline stop(Duration patience) {
        if (!open) {
            throw new IllegalStateException("the recording was stopped before");
        }
        awaitDevice(patience);
        activity.map(DeviceActivity::stop).ifPresent(log -> {
            log.spans().forEach(this::add);
            lost += log.lost();
        });
        open = false;
        return new Timeline(started, startNanos, spans, lost);
    }

    private void awaitDevice(Duration patience) {
        try (TensorScope scope = new TensorScope();
                HostCopy last = HostCopy.of(device.zeros(ScalarType.Byte, 1))) {
            last.await(patience);
        }
    }

    /** Ends a recording that nobody wants; nothing where it was stopped. */
    @Override
    public synchronized void close() {
        if (open) {
            open = false;
            activity.ifPresent(DeviceActivity::stop);
        }
    }
}
