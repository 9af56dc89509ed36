// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.profile;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.cuda.cudart.CUctx_st;
import org.bytedeco.cuda.cupti.CUpti_BuffersCallbackCompleteFunc;
import org.bytedeco.cuda.cupti.CUpti_BuffersCallbackRequestFunc;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;
import org.bytedeco.javacpp.SizeTPointer;
import org.jspecify.annotations.Nullable;

/**
 * Memory that CUPTI asks for, fills with records and hands back, on threads of its own or within a call of CUDA. It is
 * taken from malloc, since the thread may have a scope open, which would free it. A record for which there is none is
 * lost, and CUPTI says how many were.
 *
 * <p>CUPTI keeps what it was registered with for the life of the process, and so does this class.
 */
final class ActivityBuffers {
    /** Some 20,000 kernels: NVIDIA advises 1 to 10 MiB. */
    private static final int BUFFER_BYTES = 4 << 20;

    private static final int MOST_BUFFERS = 256;

    private static @Nullable ActivityBuffers registered;

    private final Request request = new Request();
    private final Complete complete = new Complete();
    private final Deque<BytePointer> empty = new ArrayDeque<>();
    private final Map<Long, BytePointer> lent = new HashMap<>(); // by address
    private final List<Filled> filled = new ArrayList<>();
    private long refused;

    /**
     * Records one after the other.
     *
     * @param bytes that hold any
     */
    record Filled(BytePointer buffer, long bytes) {}

    /** Whatever scope is open, it does not free what CUPTI calls: it goes on to call it. */
    private ActivityBuffers() {
        request.retainReference();
        complete.retainReference();
    }

    /** Those that CUPTI has; it is given them at first use. */
    static synchronized ActivityBuffers ofThisProcess() {
        ActivityBuffers known = registered;
        if (known == null) {
            known = new ActivityBuffers();
            Cupti.register(known.request, known.complete);
            registered = known;
        }
        return known;
    }

    /** What has been handed back since this was asked before; each is given up by {@link #recycle}. */
    synchronized List<Filled> taken() {
        List<Filled> all = List.copyOf(filled);
        filled.clear();
        return all;
    }

    /** How often there was no memory for CUPTI since this was asked before. */
    synchronized long refused() {
        long times = refused;
        refused = 0;
        return times;
    }

    synchronized void recycle(Filled read) {
        empty.push(read.buffer());
    }

    /** Frees what CUPTI does not hold. */
    synchronized void free() {
        empty.forEach(Pointer::free);
        empty.clear();
    }

    private synchronized @Nullable BytePointer lend() {
        if (lent.size() + filled.size() >= MOST_BUFFERS) {
            refused++;
            return null;
        }
        BytePointer buffer = empty.isEmpty() ? new BytePointer(Pointer.malloc(BUFFER_BYTES)) : empty.pop();
        lent.put(buffer.address(), buffer);
        return buffer;
    }

    private synchronized void takeBack(long address, long bytes) {
        BytePointer buffer = lent.remove(address);
        if (buffer != null) {
            filled.add(new Filled(buffer, bytes));
        }
    }

    /** Asks for an empty buffer. */
    final class Request extends CUpti_BuffersCallbackRequestFunc {
        @Override
        @SuppressWarnings("rawtypes") // as the method that it overrides
        public void call(PointerPointer buffer, SizeTPointer bytes, SizeTPointer mostRecords) {
            BytePointer given = lend();
            buffer.put(0, given);
            bytes.put(given == null ? 0 : BUFFER_BYTES);
            mostRecords.put(0); // as many as fit
        }
    }

    /** Hands a buffer back. */
    final class Complete extends CUpti_BuffersCallbackCompleteFunc {
        @Override
        public void call(CUctx_st context, int stream, BytePointer buffer, long bytes, long validBytes) {
            takeBack(buffer.address(), validBytes);
        }
    }
}
