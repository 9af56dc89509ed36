// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.profile;

import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import org.bytedeco.cuda.global.cupti;
import org.chorale.tensor.profile.ActivityBuffers.Filled;

/**
 * What this process's GPUs do, as CUPTI records it: kernels, copies, calls of CUDA's run-time library, and the host's waits.
 * Records stay as they are until the end, so that little time is taken from what is recorded.
 */
final class DeviceActivity {
    private static final int[] KINDS = {
        cupti.CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL,
        cupti.CUPTI_ACTIVITY_KIND_MEMCPY,
        cupti.CUPTI_ACTIVITY_KIND_MEMSET,
        cupti.CUPTI_ACTIVITY_KIND_RUNTIME
    };

    /**
     * Whoever waits with a deadline asks them by the million, and nobody wants to read it. libtorch asks for the last error
     * too whenever an event is not over yet, to forget that answer.
     */
    private static final int[] QUESTIONS = {
        cupti.CUPTI_RUNTIME_TRACE_CBID_cudaEventQuery_v3020,
        cupti.CUPTI_RUNTIME_TRACE_CBID_cudaStreamQuery_v3020,
        cupti.CUPTI_RUNTIME_TRACE_CBID_cudaGetLastError_v3020,
        cupti.CUPTI_RUNTIME_TRACE_CBID_cudaPeekAtLastError_v3020,
        cupti.CUPTI_RUNTIME_TRACE_CBID_cudaGetDevice_v3020,
        cupti.CUPTI_RUNTIME_TRACE_CBID_cudaSetDevice_v3020
    };

    private static final AtomicBoolean RUNNING = new AtomicBoolean();

    private final ActivityBuffers buffers;
    private final long clockOffsetNanos;

    private DeviceActivity(ActivityBuffers buffers, long clockOffsetNanos) {
        this.buffers = buffers;
        this.clockOffsetNanos = clockOffsetNanos;
    }

    /**
     * What was recorded.
     *
     * @param lost records at least that there was no room for, or that have no times
     */
    record Log(List<Span> spans, long lost) {}

    /** @throws ProfileException where CUPTI is missing, refuses, or records for somebody else in this process */
    static DeviceActivity start() {
        int version = Cupti.version();
        if (!RUNNING.compareAndSet(false, true)) {
            throw new ProfileException(
                    "CUPTI " + version
                            + " records for another worker of this process: a worker that is profiled needs a process of its own");
        }
        try {
            DeviceActivity activity = new DeviceActivity(ActivityBuffers.ofThisProcess(), Cupti.clockOffsetNanos());
            for (int kind : KINDS) {
                Cupti.enable(kind);
            }
            for (int call : QUESTIONS) {
                Cupti.leaveOut(call);
            }
            return activity;
        } catch (RuntimeException e) {
            for (int kind : KINDS) {
                cupti.cuptiActivityDisable(kind); // it tells of one that was not enabled, which is as it should be
            }
            RUNNING.set(false);
            throw e;
        }
    }

    /** Ends; what the device has not done by then is lost. */
    Log stop() {
        try {
            for (int kind : KINDS) {
                Cupti.disable(kind);
            }
            Cupti.flush();
            return read();
        } finally {
            buffers.free();
            RUNNING.set(false);
        }
    }

    private Log read() {
        ActivityReader reader = new ActivityReader(clockOffsetNanos);
        for (Filled filled : buffers.taken()) {
            reader.read(filled);
            buffers.recycle(filled);
        }
        return new Log(reader.spans(), reader.untimed() + buffers.refused());
    }
}
