// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor;

import java.util.concurrent.atomic.AtomicLong;
import org.bytedeco.javacpp.Pointer;

/**
 * The references to native objects that this process holds, counted.
 *
 * <p>JavaCPP's garbage-collected pointers are off, so whatever is not released here stays for ever. Scopes, holders and
 * tapes take and give back their references through this class, which makes the count a measure of leaks: it is the
 * same after step 10 and after step 1,000.
 */
public final class NativeMemory {
    private static final AtomicLong LIVE = new AtomicLong();

    private NativeMemory() {}

    /** References held now, over all threads. */
    public static long liveReferences() {
        return LIVE.get();
    }

    /** Takes one reference; the object stays until {@link #release} gives it back. */
    public static <P extends Pointer> P retain(P object) {
        object.retainReference();
        LIVE.incrementAndGet();
        return object;
    }

    /** Gives one reference back; the last one frees the object. */
    public static void release(Pointer object) {
        object.releaseReference();
        LIVE.decrementAndGet();
    }

    static void count(int references) {
        LIVE.addAndGet(references);
    }
}
