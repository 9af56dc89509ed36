// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.run;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
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

/** A run among the actors of a system that somebody else has, and that goes on after it. */
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
        system.getWhenTerminated().thenRun(() -> ended.completeExceptionally(endless("the actor system ended")));
        return new GuestRun(guardian, ended);
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
                        ended.completeExceptionally(endless("the run's guardian ended"));
                        return Behaviors.stopped();
                    })
                    .build();
        });
    }

    private static FaultException endless(String why) {
        return new FaultException(FaultCode.INTERNAL, why + " before the run did; the log says why");
    }

    /** Asks the run to finish its step, write a checkpoint and end. */
    public void stop(String reason) {
        guardian.tell(new RunGuardian.Stop(reason));
    }

    /**
     * The run's end, once its workers and feeders are gone.
     *
     * @return fails with a {@link FaultException} INTERNAL where the actor system has ended
     */
    public CompletionStage<RunEnded> ended() {
        return ended;
    }
}
