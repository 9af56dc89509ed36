// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.profile;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.device.DeviceStream;
import org.chorale.tensor.device.HostCopy;
import org.chorale.tensor.profile.Lane.Kind;

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
    private final KernelTraffic traffic = new KernelTraffic();
    private final Map<Long, Integer> streams = new HashMap<>(); // CUPTI's numbers, by address
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
     * Adds an operation of several ranks that is enqueued now; nothing once stopped. Its kernel will have its bytes,
     * unless the recording has lost something.
     *
     * @param stream on which it is the next operation
     * @param callStartNanos when the host began to enqueue it
     */
    public synchronized void add(Traffic operation, DeviceStream stream, long callStartNanos) {
        if (!open) {
            return;
        }
        String group = operation.group();
        if (activity.isPresent()) {
            Lane kernels = Lane.kernels(streamId(stream));
            traffic.add(kernels, operation, callStartNanos);
            group += ", " + kernels.name();
        }
        String name = operation.operation() + " " + operation.number();
        Span call = new Span(new Lane(Kind.COLLECTIVE, group), name, callStartNanos, System.nanoTime(), 0);
        add(call.with(operation));
    }

    private int streamId(DeviceStream stream) {
        try (TensorScope scope = new TensorScope()) {
            CUstream_st handle = stream.handle();
            return streams.computeIfAbsent(handle == null ? 0 : handle.address(), address -> Cupti.streamId(handle));
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
            lost += log.lost();
            (lost == 0 ? traffic.onto(log.spans()) : log.spans()).forEach(this::add);
        });
        Timeline timeline = new Timeline(started, startNanos, spans, lost);
        end();
        return timeline;
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
            end();
            activity.ifPresent(DeviceActivity::stop);
        }
    }

    /** Whoever adds to it still may hold it for long. */
    private void end() {
        open = false;
        spans.clear();
        traffic.clear();
    }
}
