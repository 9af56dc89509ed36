// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Opens data on another thread, which may take as long as an index takes to make, and can be given up: then the thread is
 * interrupted, which closes the channel of an index as soon as it is written to.
 */
final class DataOpening<D> {
    private final CompletableFuture<D> result = new CompletableFuture<>();
    private @Nullable Thread thread; // that opens
    private boolean givenUp;

    private DataOpening() {}

    static <D> DataOpening<D> begin(Supplier<D> work, Executor executor) {
        DataOpening<D> opening = new DataOpening<>();
        executor.execute(() -> opening.run(work));
        return opening;
    }

    /** What was opened, why it could not be, or that it was given up. */
    CompletableFuture<D> result() {
        return result;
    }

    /** Once it is over, nothing happens. */
    synchronized void giveUp() {
        givenUp = true;
        if (thread != null) {
            thread.interrupt();
        }
    }

    private void run(Supplier<D> work) {
        if (!enter()) {
            result.completeExceptionally(new CancellationException("given up before it began"));
            return;
        }
        D opened;
        try {
            opened = work.get();
        } catch (RuntimeException | Error e) {
            leave();
            result.completeExceptionally(e);
            return;
        }
        leave();
        result.complete(opened);
    }

    private synchronized boolean enter() {
        thread = givenUp ? null : Thread.currentThread();
        return !givenUp;
    }

    /** The thread goes back to others, who were not meant. */
    private synchronized void leave() {
        thread = null;
        boolean unused = Thread.interrupted();
    }
}
