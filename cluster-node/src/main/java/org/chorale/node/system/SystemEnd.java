// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.system;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.pekko.Done;
import org.apache.pekko.actor.CoordinatedShutdown;
import org.apache.pekko.actor.typed.ActorSystem;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The end of an actor system, also of one whose transport does not end: Artery waits for its streams without a deadline
 * (Pekko 1.7; apache/pekko#3317), and with TLS one of them now and then never completes. All that matters has ended by
 * then: members have left their cluster, and have heard of it.
 */
public final class SystemEnd {
    private static final Logger LOG = LoggerFactory.getLogger(SystemEnd.class);

    private final ActorSystem<?> system;
    private final CompletableFuture<Void> reached = new CompletableFuture<>();

    private SystemEnd(ActorSystem<?> system) {
        this.system = system;
    }

    /**
     * Of a system that runs.
     *
     * @param transportLimit what its actors and its transport may take together, once it has left its cluster
     */
    public static SystemEnd of(ActorSystem<?> system, Duration transportLimit) {
        SystemEnd end = new SystemEnd(system);
        system.getWhenTerminated().thenRun(() -> end.reached.complete(null));
        CoordinatedShutdown.get(system)
                .addTask(CoordinatedShutdown.PhaseBeforeActorSystemTerminate(), "bound-the-end", () -> {
                    end.reached.completeOnTimeout(null, transportLimit.toMillis(), TimeUnit.MILLISECONDS);
                    return CompletableFuture.completedFuture(Done.getInstance());
                });
        return end;
    }

    /** Returns once the system has ended, of itself or by {@link #bring}, or all of it but its transport. */
    public void await() throws InterruptedException {
        try {
            reached.get();
        } catch (ExecutionException e) {
            throw new IllegalStateException("nothing completes this exceptionally", e);
        }
        if (!system.getWhenTerminated().toCompletableFuture().isDone()) {
            LOG.warn("connections have not closed in time; this process does not wait for them");
        }
    }

    /** Ends the system, and whoever awaits that, after this long at the latest. */
    public void bring(Duration limit) {
        reached.completeOnTimeout(null, limit.toMillis(), TimeUnit.MILLISECONDS);
        system.terminate();
        reached.join();
    }
}
