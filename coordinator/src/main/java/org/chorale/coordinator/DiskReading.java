// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator;

import java.time.Duration;
import java.util.concurrent.CancellationException;
import org.apache.pekko.actor.typed.ActorRef;
import org.chorale.proto.message.CoordinatorCommand;

/**
 * What a coordinator hears of checkpoints that are read on another thread, which may take minutes: that it goes on, a few
 * times in {@code run.progress-timeout}. A coordinator that stops ends it.
 */
final class DiskReading {
    private final ActorRef<CoordinatorCommand> coordinator;
    private final long intervalNanos;
    private volatile boolean cancelled;

    DiskReading(ActorRef<CoordinatorCommand> coordinator, Duration interval) {
        this.coordinator = coordinator;
        this.intervalNanos = interval.toNanos();
    }

    /** To be run often by one reader, in the generation of the coordinator's messages. */
    Runnable progress(long generation) {
        long[] toldNanos = {System.nanoTime()};
        return () -> {
            if (cancelled) {
                throw new CancellationException("the coordinator has stopped");
            }
            long now = System.nanoTime();
            if (now - toldNanos[0] >= intervalNanos) {
                toldNanos[0] = now;
                coordinator.tell(new CoordinatorCommand.StillWorking(generation, 0));
            }
        };
    }

    void cancel() {
        cancelled = true;
    }
}
