// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import org.chorale.tensor.collective.Collectives;
import org.jspecify.annotations.Nullable;

/**
 * Ends what a shard is doing, from another thread: what it does together with other ranks fails at once, and what it does
 * alone ends before its next order.
 */
final class Cancellation {
    /** Asked by whoever waits in a group, which must not wait for the thread that is about to abort that group. */
    private volatile boolean cancelled;

    private @Nullable Collectives world;

    boolean isCancelled() {
        return cancelled;
    }

    /** Called from any thread, any number of times; waits for no other rank. */
    void cancel() {
        cancelled = true;
        abort();
    }

    private synchronized void abort() {
        if (world != null) {
            world.abort();
        }
    }

    /** From now on cancelling ends what is done in this group, and in all that were made of it. */
    synchronized void attach(Collectives joined) {
        world = joined;
        if (cancelled) {
            joined.abort();
        }
    }

    /** The group is about to be closed. */
    synchronized void detach() {
        world = null;
    }
}
