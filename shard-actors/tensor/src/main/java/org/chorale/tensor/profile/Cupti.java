// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.profile;

import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.cuda.cupti.CUpti_Activity;
import org.bytedeco.cuda.global.cupti;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.jspecify.annotations.Nullable;

/** The calls of CUPTI that a recording needs, each checked. */
final class Cupti {
    private static final int TIMES_ASKED = 16;

    private Cupti() {}

    /** Fails where the library, or what calls it from Java, is not there. */
    static int version() {
        int[] version = new int[1];
        try {
            check(cupti.cuptiGetVersion(version), "cuptiGetVersion");
        } catch (LinkageError e) {
            throw new ProfileException(
                    "CUPTI, which records what the GPU does, cannot be loaded (" + e.getMessage()
                            + "): Bytedeco's CUDA natives and libcupti.so.13 of CUDA 13 are needed",
                    e);
        }
        return version[0];
    }

    /** What to add to CUPTI's times for those of {@link System#nanoTime}: by the quickest of several questions. */
    static long clockOffsetNanos() {
        long quickest = Long.MAX_VALUE;
        long offset = 0;
        long[] there = new long[1];
        for (int i = 0; i < TIMES_ASKED; i++) {
            long before = System.nanoTime();
            check(cupti.cuptiGetTimestamp(there), "cuptiGetTimestamp");
            long taken = System.nanoTime() - before;
            if (taken < quickest) {
                quickest = taken;
                offset = before + taken / 2 - there[0];
            }
        }
        return offset;
    }

    static void register(ActivityBuffers.Request request, ActivityBuffers.Complete complete) {
        check(cupti.cuptiActivityRegisterCallbacks(request, complete), "cuptiActivityRegisterCallbacks");
    }

    static void enable(int kind) {
        check(cupti.cuptiActivityEnable(kind), "cuptiActivityEnable(" + kind + ")");
    }

    /** Has no record made of a call of CUDA's run-time library, whose calls are enabled otherwise. */
    static void leaveOut(int call) {
        check(cupti.cuptiActivityEnableRuntimeApi(call, (byte) 0), "cuptiActivityEnableRuntimeApi(" + call + ")");
    }

    static void disable(int kind) {
        check(cupti.cuptiActivityDisable(kind), "cuptiActivityDisable(" + kind + ")");
    }

    /** Has all records delivered, on this thread or CUPTI's own, before it returns. */
    static void flush() {
        check(cupti.cuptiActivityFlushAll(cupti.CUPTI_ACTIVITY_FLAG_FLUSH_FORCED), "cuptiActivityFlushAll");
    }

    /**
     * Goes on to the next record of a buffer.
     *
     * @param record of the same buffer, or null at its beginning; points to the next one afterwards
     * @return whether there is one
     */
    static boolean next(BytePointer buffer, long bytes, CUpti_Activity record) {
        int status = cupti.cuptiActivityGetNextRecord(buffer, bytes, record);
        if (status != cupti.CUPTI_ERROR_MAX_LIMIT_REACHED) {
            check(status, "cuptiActivityGetNextRecord");
        }
        return status == cupti.CUPTI_SUCCESS;
    }

    /** The number that records have of a stream. */
    static int streamId(@Nullable CUstream_st stream) {
        int[] id = new int[1];
        check(cupti.cuptiGetStreamId(null, stream, id), "cuptiGetStreamId");
        return id[0];
    }

    /** The name of a function of CUDA's run-time library. */
    static String runtimeCall(int number) {
        BytePointer name = new BytePointer((Pointer) null); // CUPTI owns what it will point to
        int status = cupti.cuptiGetCallbackName(cupti.CUPTI_CB_DOMAIN_RUNTIME_API, number, name);
        return status == cupti.CUPTI_SUCCESS ? name.getString() : "call " + number;
    }

    private static void check(int status, String call) {
        if (status != cupti.CUPTI_SUCCESS) {
            throw new ProfileException("%s: %s%s".formatted(call, text(status), advice(status)));
        }
    }

    private static String text(int status) {
        BytePointer text = new BytePointer((Pointer) null);
        return cupti.cuptiGetResultString(status, text) == cupti.CUPTI_SUCCESS
                ? text.getString() + " (" + status + ")"
                : "unknown error " + status;
    }

    private static String advice(int status) {
        if (status == cupti.CUPTI_ERROR_INSUFFICIENT_PRIVILEGES) {
            return "; this user may not profile: NVIDIA's driver allows it with NVreg_RestrictProfilingToAdminUsers=0";
        } else if (status == cupti.CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED) {
            return "; another tool, such as a debugger or Nsight, has CUPTI in this process";
        }
        return "";
    }
}
