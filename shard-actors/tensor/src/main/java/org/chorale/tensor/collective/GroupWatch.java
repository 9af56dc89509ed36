// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.collective;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.LockSupport;

/**
 * A thread that looks after the groups of a process on GPUs, whose user does not wait for them: it notices operations
 * that run for too long, failures that NCCL reports late, and what happens to a group between the same ranks on CPUs,
 * and breaks them all. Where the user waits behind a full queue of launches, nothing else would ever end that.
 */
final class GroupWatch {
    private static final long PERIOD_NANOS = 50_000_000;

    private record Group(NcclLink link, FlightRecord record) {}

    private final FaultDomain domain;
    private final int rank;
    private final Duration timeout;
    private final List<Group> groups = new CopyOnWriteArrayList<>();
    private final List<Collectives> others = new CopyOnWriteArrayList<>();
    private final Thread thread;

    /** @param timeout the longest that an operation runs */
    GroupWatch(FaultDomain domain, int rank, Duration timeout) {
        this.domain = domain;
        this.rank = rank;
        this.timeout = timeout;
        this.thread = new Thread(this::run, "nccl-watch-" + rank);
        thread.setDaemon(true);
    }

    void start() {
        thread.start();
    }

    void add(NcclLink link, FlightRecord record) {
        groups.add(new Group(link, record));
    }

    /** Once no group is left the thread ends. */
    void remove(FlightRecord record) {
        groups.removeIf(group -> group.record == record);
        LockSupport.unpark(thread);
    }

    /** Lets the groups break when another one does. */
    void checkToo(Collectives other) {
        others.add(other);
    }

    private void run() {
        domain.enter();
        while (!groups.isEmpty() && !domain.isBroken()) {
            try {
                look();
            } catch (CollectiveException e) {
                domain.abort(String.valueOf(e.getMessage())); // whatever broke first is the reason
            }
            LockSupport.parkNanos(PERIOD_NANOS);
        }
    }

    private void look() {
        others.forEach(Collectives::check);
        for (Group group : groups) {
            group.link.look();
            group.record.late(timeout).ifPresent(this::abort);
        }
    }

    private void abort(Flight late) {
        domain.abort("rank " + rank + " waited " + Ranks.seconds(timeout) + " for " + late);
    }
}
