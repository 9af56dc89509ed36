// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.pekko.actor.typed.ActorSystem;
import org.chorale.node.system.SystemConfig;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The process of a worker, which a node starts: reads a {@link WorkerOrder}, and works until it is dismissed, cannot go on,
 * or its standard input ends. It ends with a code of {@link WorkerExit}.
 */
final class WorkerMain {
    private static final Duration FLUSH_LIMIT = Duration.ofSeconds(4);
    private static final Logger LOG = LoggerFactory.getLogger(WorkerMain.class);

    private WorkerMain() {}

    public static void main(String[] arguments) throws InterruptedException {
        halt(run(System.in));
    }

    private static WorkerExit run(InputStream input) throws InterruptedException {
        WorkerOrder order;
        try {
            order = WorkerOrder.readFrom(input);
        } catch (IOException e) {
            LOG.error("standard input {}", e.getMessage());
            return WorkerExit.ORDER_UNREADABLE;
        }
        int nodeGone = WorkerExit.NODE_GONE.code(); // now: whoever replaces class files under a node ends it, too
        Lifeline.onEnd(input, () -> Runtime.getRuntime().halt(nodeGone));
        CompletableFuture<WorkerExit> exit = new CompletableFuture<>();
        Config config = SystemConfig.complete(ConfigFactory.parseString(order.system()));
        ActorSystem<Void> system = ActorSystem.create(WorkerGuardian.create(order, exit), SystemConfig.WORKER, config);
        system.getWhenTerminated().thenRun(() -> exit.complete(WorkerExit.FAILED));
        WorkerExit how = exit.join();
        awaitEnd(system);
        return how;
    }

    private static void awaitEnd(ActorSystem<Void> system) throws InterruptedException {
        system.terminate();
        try {
            system.getWhenTerminated().toCompletableFuture().get(FLUSH_LIMIT.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException | ExecutionException e) {
            LOG.warn("the actor system did not end within {} s", FLUSH_LIMIT.toSeconds());
        }
    }

    /** At once: whatever threads are left, native ones above all, have nothing to finish. */
    private static void halt(WorkerExit exit) {
        Runtime.getRuntime().halt(exit.code());
    }
}
