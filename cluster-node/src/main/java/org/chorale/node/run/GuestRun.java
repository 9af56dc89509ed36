// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.run;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.apache.pekko.Done;
import org.apache.pekko.actor.Cancellable;
import org.apache.pekko.actor.CoordinatedShutdown;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.Props;
import org.apache.pekko.actor.typed.Terminated;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.chorale.node.progress.RunView;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.wire.RunEnded;

/**
 * A run among the actors of a system that somebody else has, and that goes on after it. A system that is ended first stops
 * the run, with a checkpoint, and waits as long as Pekko lets a phase of its shutdown take.
 */
public final class GuestRun {
    private final ActorRef<RunGuardian.Command> guardian;
    private final CompletableFuture<RunEnded> ended;

    private GuestRun(ActorRef<RunGuardian.Command> guardian, CompletableFuture<RunEnded> ended) {
        this.guardian = guardian;
        this.ended = ended;
    }

    /**
     * Begins.
     *
     * @param name of its actor, which no other of the system has had
     * @param progressTimeout {@code run.progress-timeout}
     * @param view shown every event, on one thread at a time
     */
    public static GuestRun start(
            ActorSystem<?> system, String name, Cast cast, Duration progressTimeout, RunView view) {
        CompletableFuture<RunEnded> ended = new CompletableFuture<>();
        Behavior<RunGuardian.Command> run =
                RunGuardian.create(cast, view, LocalRun.silenceLimit(progressTimeout), ended);
        ActorRef<RunGuardian.Command> guardian = system.systemActorOf(watched(run, ended), name, Props.empty());
        system.getWhenTerminated().thenRun(() -> ended.completeExceptionally(cutOff()));
        GuestRun guest = new GuestRun(guardian, ended);
        guest.stopBefore(CoordinatedShutdown.get(system), name);
        return guest;
    }

    private void stopBefore(CoordinatedShutdown shutdown, String name) {
        Cancellable task = shutdown.addCancellableTask(CoordinatedShutdown.PhaseBeforeServiceUnbind(), name, () -> {
            stop("the application's actor system ends");
            return ended.handle((end, failure) -> Done.getInstance());
        });
        ended().whenComplete((end, failure) -> task.cancel());
    }

    /** A guardian that breaks down takes no actor system with it here, so that somebody has to notice. */
    private static Behavior<RunGuardian.Command> watched(
            Behavior<RunGuardian.Command> run, CompletableFuture<RunEnded> ended) {
        return Behaviors.setup(context -> {
            ActorRef<RunGuardian.Command> guardian = context.spawn(run, "run");
            context.watch(guardian);
            return Behaviors.receive(RunGuardian.Command.class)
                    .onAnyMessage(command -> {
                        guardian.tell(command);
                        return Behaviors.same();
                    })
                    .onSignal(Terminated.class, terminated -> {
                        ended.completeExceptionally(new FaultException(
                                FaultCode.INTERNAL, "the run's guardian ended before the run did; the log says why"));
                        return Behaviors.stopped();
                    })
                    .build();
        });
    }

    private static FaultException cutOff() {
        return new FaultException(
                FaultCode.NODE_LOST,
                "the actor system ended before the run did: submitted again, it goes on from its last checkpoint");
    }

    /** Asks the run to finish its step, write a checkpoint and end. */
    public void stop(String reason) {
        guardian.tell(new RunGuardian.Stop(reason));
    }

    /**
     * The run's end, once its workers and feeders are gone.
     *
     * @return fails with a {@link FaultException} NODE_LOST where the actor system has ended before
     */
    public CompletionStage<RunEnded> ended() {
        return ended;
    }
}
