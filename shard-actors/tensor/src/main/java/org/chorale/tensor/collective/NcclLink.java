// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.collective;

import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.ToIntFunction;
import org.chorale.tensor.collective.NcclLibrary.Communicator;
import org.chorale.tensor.device.DeviceStream;

/**
 * A rank's communicator, of which every call is followed to its end on the host, where the operation is enqueued: NCCL
 * does that on a thread of its own, and meanwhile takes no other call. It is a matter of microseconds but for the first
 * operations, which connect to peers; so there is a deadline.
 */
final class NcclLink implements AutoCloseable {
    private static final long SPIN_NANOS = 300_000;
    private static final long PAUSE_NANOS = 100_000;

    /** The longest wait for operations to end in {@link #close}; what has not ended then is aborted. */
    private static final Duration FAREWELL = Duration.ofSeconds(10);

    private final FaultDomain domain;
    private final int rank;
    private final Duration timeout;
    private final BooleanSupplier cancelled;
    private final Communicator communicator;

    /** Joins a group, and waits for its other ranks to do so. */
    NcclLink(
            FaultDomain domain,
            NcclLibrary library,
            byte[] id,
            DeviceStream stream,
            int rank,
            int worldSize,
            Duration timeout,
            BooleanSupplier cancelled) {
        this.domain = domain;
        this.rank = rank;
        this.timeout = timeout;
        this.cancelled = cancelled;
        String what = "rank " + rank + " of " + worldSize + " joins a group of GPUs";
        this.communicator = domain.add(what, () -> library.begin(id, stream, rank, worldSize));
        follow(what, NcclLibrary.IN_PROGRESS, timeout);
    }

    /** Enqueues an operation. */
    void enqueue(String what, ToIntFunction<Communicator> call) {
        follow(what, domain.call(what, communicator, call), timeout);
    }

    /** Breaks the group where it has failed in a way that no call has told of; waits for nothing. */
    void look() {
        int state = domain.stateOf(communicator);
        if (state != NcclLibrary.SUCCESS && state != NcclLibrary.IN_PROGRESS) {
            throw domain.failure("check", rank, state);
        }
    }

    private void follow(String what, int status, Duration patience) {
        long startNanos = System.nanoTime();
        int state = status;
        while (state == NcclLibrary.IN_PROGRESS) {
            long waitedNanos = System.nanoTime() - startNanos;
            if (cancelled.getAsBoolean() || Thread.currentThread().isInterrupted()) {
                throw domain.failure(what, "rank " + rank + " was told to stop");
            }
            if (waitedNanos > patience.toNanos()) {
                throw domain.failure(what, "rank " + rank + " waited " + Ranks.seconds(patience) + " for its peers");
            }
            pause(waitedNanos);
            state = domain.call(what, communicator, Communicator::state);
        }
        if (state != NcclLibrary.SUCCESS) {
            throw domain.failure(what, rank, state);
        }
    }

    private static void pause(long waitedNanos) {
        if (waitedNanos < SPIN_NANOS) {
            Thread.onSpinWait();
        } else {
            LockSupport.parkNanos(PAUSE_NANOS);
        }
    }

    /** Lets the operations end and leaves the group; where that does not work, or has not, everything is aborted. */
    @Override
    public void close() {
        if (!domain.isBroken()) {
            try {
                Duration patience = timeout.compareTo(FAREWELL) < 0 ? timeout : FAREWELL;
                follow("close", domain.call("close", communicator, Communicator::finish), patience);
                domain.destroy(communicator);
            } catch (CollectiveException e) {
                // a peer has gone before; what is left was aborted
            }
        }
    }
}
