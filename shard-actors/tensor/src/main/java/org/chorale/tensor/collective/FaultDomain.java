// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.collective;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import java.util.function.ToIntFunction;
import org.chorale.tensor.collective.NcclLibrary.Communicator;
import org.chorale.tensor.device.Device;
import org.jspecify.annotations.Nullable;

/**
 * The communicators of a process that fail together: once one of them has failed nothing is known of the others, and they
 * are aborted in one call. Guards them against being used while they are freed, so every call to them goes through here.
 */
final class FaultDomain {
    private final NcclLibrary library;
    private final Device device;
    private final List<Communicator> open = new ArrayList<>(); // guarded by this
    private final AtomicReference<@Nullable String> broken = new AtomicReference<>();
    private volatile Runnable onBroken = () -> {};

    FaultDomain(NcclLibrary library, Device device) {
        this.library = library;
        this.device = device;
    }

    /** Sets what is done once when this breaks, on whichever thread notices it. */
    void onBroken(Runnable action) {
        onBroken = action;
    }

    /** Makes the calling thread ask the group's own GPU; else it would get a context on the first one. */
    void enter() {
        device.bind();
    }

    /** Takes a new communicator in. */
    synchronized Communicator add(String what, Supplier<Communicator> begin) {
        check(what);
        Communicator communicator = begin.get();
        open.add(communicator);
        return communicator;
    }

    /** The status of a call that waits for nobody. */
    synchronized int call(String what, Communicator communicator, ToIntFunction<Communicator> call) {
        check(what);
        if (!open.contains(communicator)) {
            throw new IllegalStateException(what + ": the group is closed");
        }
        return call.applyAsInt(communicator);
    }

    /** That of a communicator; that of one which is free already is of no interest. */
    synchronized int stateOf(Communicator communicator) {
        return open.contains(communicator) ? communicator.state() : NcclLibrary.SUCCESS;
    }

    /** Frees a communicator that has finished. */
    synchronized void destroy(Communicator communicator) {
        if (broken.get() == null && open.remove(communicator)) {
            communicator.destroy();
        }
    }

    /** @throws CollectiveException with the reason, once this is broken */
    void check(String what) {
        String reason = broken.get();
        if (reason != null) {
            throw new CollectiveException(what + ": " + reason);
        }
    }

    boolean isBroken() {
        return broken.get() != null;
    }

    /**
     * Ends all operations. Returns when they have ended, or at once where another thread is about it.
     *
     * @param reason why; the first one is kept
     */
    void abort(String reason) {
        if (broken.compareAndSet(null, reason)) {
            onBroken.run();
            abortOpen();
        }
    }

    /** Returns once no operation is under way any more, where this is broken. */
    synchronized void awaitAbort() {
        if (isBroken()) {
            abortOpen();
        }
    }

    private synchronized void abortOpen() {
        if (!open.isEmpty()) {
            enter();
            library.abort(open);
            open.clear();
        }
    }

    /** The failure of an operation, which breaks this. */
    CollectiveException failure(String what, String reason) {
        abort(reason);
        return new CollectiveException(what + ": " + broken.get());
    }

    /** Likewise, by what NCCL says of it. */
    CollectiveException failure(String what, int rank, int status) {
        return failure(what, "NCCL failed on rank " + rank + ": " + library.text(status));
    }
}
