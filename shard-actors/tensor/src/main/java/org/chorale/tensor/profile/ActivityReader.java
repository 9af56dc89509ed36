// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.profile;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import org.bytedeco.cuda.cupti.CUpti_Activity;
import org.bytedeco.cuda.cupti.CUpti_ActivityAPI;
import org.bytedeco.cuda.cupti.CUpti_ActivityKernel11;
import org.bytedeco.cuda.cupti.CUpti_ActivityMemcpy6;
import org.bytedeco.cuda.cupti.CUpti_ActivityMemset4;
import org.bytedeco.cuda.global.cupti;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.chorale.tensor.profile.ActivityBuffers.Filled;
import org.chorale.tensor.profile.Lane.Kind;

/**
 * CUPTI's records as spans.
 *
 * <p>The classes are those of CUDA 13.1's header, and a library of 13.0 writes its own, shorter records. What is read here
 * (times, stream, name, bytes) stands in the part that both begin with: NVIDIA only ever appends fields.
 */
final class ActivityReader {
    /** What launches, copies, allocates or waits; the rest, such as asking for an event's state, is noise. */
    private static final Pattern CALLS = Pattern.compile("cuda(Launch|Graph|Mem|Malloc|Free|Host|\\w*Synchronize).*");

    /** A version at the end of a call's name: {@code cudaLaunchKernel_v7000}. */
    private static final Pattern VERSION = Pattern.compile("_v\\d+$|_ptsz(_v\\d+)?$");

    private final long clockOffsetNanos;
    private final Map<Long, String> kernels =
            new HashMap<>(); // by the address of CUPTI's text, which all its records share
    private final Map<Integer, Optional<String>> calls = new HashMap<>();
    private final List<Span> spans = new ArrayList<>();
    private long untimed;

    /** @param clockOffsetNanos what to add to CUPTI's times for those of {@link System#nanoTime} */
    ActivityReader(long clockOffsetNanos) {
        this.clockOffsetNanos = clockOffsetNanos;
    }

    /** All that was read. */
    List<Span> spans() {
        return spans;
    }

    /** Records without times, which CUPTI could not take. */
    long untimed() {
        return untimed;
    }

    void read(Filled filled) {
        CUpti_Activity record = new CUpti_Activity((Pointer) null);
        while (Cupti.next(filled.buffer(), filled.bytes(), record)) {
            read(record);
        }
    }

    private void read(CUpti_Activity record) {
        int kind = record.kind();
        if (kind == cupti.CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL) {
            addKernel(new CUpti_ActivityKernel11(record));
        } else if (kind == cupti.CUPTI_ACTIVITY_KIND_MEMCPY) {
            addCopy(new CUpti_ActivityMemcpy6(record));
        } else if (kind == cupti.CUPTI_ACTIVITY_KIND_MEMSET) {
            CUpti_ActivityMemset4 set = new CUpti_ActivityMemset4(record);
            add(copies(set.streamId()), "memset", set.start(), set.end(), set.bytes());
        } else if (kind == cupti.CUPTI_ACTIVITY_KIND_RUNTIME) {
            addCall(new CUpti_ActivityAPI(record));
        }
    }

    private void addKernel(CUpti_ActivityKernel11 kernel) {
        BytePointer text = kernel.name();
        String name = kernels.computeIfAbsent(text.address(), address -> KernelName.shorten(text.getString()));
        add(Lane.kernels(kernel.streamId()), name, kernel.start(), kernel.end(), 0);
    }

    private void addCopy(CUpti_ActivityMemcpy6 copy) {
        add(copies(copy.streamId()), "memcpy " + direction(copy.copyKind()), copy.start(), copy.end(), copy.bytes());
    }

    private void addCall(CUpti_ActivityAPI call) {
        calls.computeIfAbsent(call.cbid(), ActivityReader::callName)
                .ifPresent(name -> add(callLane(name, call.threadId()), name, call.start(), call.end(), 0));
    }

    private static Lane callLane(String name, int thread) {
        return name.endsWith("Synchronize")
                ? new Lane(Kind.WAIT, "waits for the GPU")
                : new Lane(Kind.CALL, "CUDA calls of thread " + Integer.toUnsignedString(thread));
    }

    private void add(Lane lane, String name, long start, long end, long bytes) {
        if (start == 0 || end < start) {
            untimed++;
        } else {
            spans.add(new Span(lane, name, start + clockOffsetNanos, end + clockOffsetNanos, bytes));
        }
    }

    private static Optional<String> callName(int number) {
        return Optional.of(VERSION.matcher(Cupti.runtimeCall(number)).replaceFirst(""))
                .filter(name -> CALLS.matcher(name).matches());
    }

    private static Lane copies(int stream) {
        return new Lane(Kind.COPY, "copies of stream " + stream);
    }

    private static String direction(byte copyKind) {
        return switch (copyKind) {
            case cupti.CUPTI_ACTIVITY_MEMCPY_KIND_HTOD -> "host to device";
            case cupti.CUPTI_ACTIVITY_MEMCPY_KIND_DTOH -> "device to host";
            case cupti.CUPTI_ACTIVITY_MEMCPY_KIND_DTOD -> "in the device";
            case cupti.CUPTI_ACTIVITY_MEMCPY_KIND_PTOP -> "device to device";
            default -> "of kind " + copyKind;
        };
    }
}
