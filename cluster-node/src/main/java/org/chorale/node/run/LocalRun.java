// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.run;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.pekko.actor.typed.ActorSystem;
import org.chorale.node.progress.RunView;
import org.chorale.node.system.SystemConfig;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.wire.RunEnded;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A run in an actor system of its own, from its start to its end. */
public final class LocalRun implements AutoCloseable {
    /**
     * Waits that the coordinator may go through between two events, each of them no longer than
     * {@code run.progress-timeout}: for a worker, for the model's and the data's description, for the shard; and one to
     * spare, so that it is the coordinator that says what is missing.
     */
    private static final int WAITS_BETWEEN_EVENTS = 4;

    private static final Duration SHUTDOWN_LIMIT = Duration.ofSeconds(30);
    private static final Logger LOG = LoggerFactory.getLogger(LocalRun.class);

    private final ActorSystem<RunGuardian.Command> system;
    private final CompletableFuture<RunEnded> ended;

    private LocalRun(ActorSystem<RunGuardian.Command> system, CompletableFuture<RunEnded> ended) {
        this.system = system;
        this.ended = ended;
    }

    /**
     * Begins.
     *
     * @param progressTimeout {@code run.progress-timeout}
     * @param view shown every event, on one thread at a time
     */
    public static LocalRun start(Cast cast, Duration progressTimeout, RunView view) {
        CompletableFuture<RunEnded> ended = new CompletableFuture<>();
        ActorSystem<RunGuardian.Command> system = ActorSystem.create(
                RunGuardian.create(cast, view, silenceLimit(progressTimeout), ended),
                SystemConfig.NODE,
                SystemConfig.complete(cast.system()));
        system.getWhenTerminated().thenRun(() -> ended.completeExceptionally(endless()));
        return new LocalRun(system, ended);
    }

    static Duration silenceLimit(Duration progressTimeout) {
        return progressTimeout.multipliedBy(WAITS_BETWEEN_EVENTS);
    }

    private static FaultException endless() {
        return new FaultException(
                FaultCode.INTERNAL, "the actor system ended before the run did; the log above says why");
    }

    /** Asks the run to finish its step, write a checkpoint and end. */
    public void stop(String reason) {
        system.tell(new RunGuardian.Stop(reason));
    }

    /**
     * Waits for the run's end, which the guardian's timer brings about where nobody else does.
     *
     * @throws FaultException INTERNAL where the actor system broke down
     */
    public RunEnded await() throws InterruptedException {
        try {
            return ended.get();
        } catch (ExecutionException e) {
            throw e.getCause() instanceof FaultException fault
                    ? fault
                    : new FaultException(FaultCode.INTERNAL, String.valueOf(e.getCause()), e);
        }
    }

    /** Waits for the run's end, however it ends; false where that took too long. */
    boolean awaitEnd(Duration limit) throws InterruptedException {
        try {
            ended.get(limit.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            return false;
        } catch (ExecutionException e) {
            return true;
        }
        return true;
    }

    boolean isOver() {
        return ended.isDone();
    }

    /** Takes the actor system down, a step in hand included. */
    @Override
    public void close() {
        system.terminate();
        try {
            system.getWhenTerminated().toCompletableFuture().get(SHUTDOWN_LIMIT.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException | ExecutionException e) {
            LOG.warn("The actor system did not end within {} seconds", SHUTDOWN_LIMIT.toSeconds(), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
