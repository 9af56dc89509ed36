// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import java.time.Duration;
import org.apache.pekko.actor.ActorInitializationException;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.ChildFailed;
import org.apache.pekko.actor.typed.Terminated;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.apache.pekko.actor.typed.javadsl.TimerScheduler;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.CoordinatorCommand.WorkerLost;
import org.chorale.proto.message.CoordinatorCommand.WorkerUnavailable;
import org.chorale.proto.message.KeeperCommand;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.training.pipeline.LocalComponents;
import org.chorale.worker.FaultTranslation;
import org.chorale.worker.WorkerActor;
import org.chorale.worker.WorkerPlace;
import org.jspecify.annotations.Nullable;

/** Keeps a worker in this process: another one when it stops, but none when it crashes, which it would do again. */
final class InProcessKeeper extends AbstractBehavior<KeeperCommand> {
    /** A worker that was dismissed stops before its place is given up. */
    private static final Duration UNTIL_NEXT_START = Duration.ofSeconds(2);

    private enum Tick implements KeeperCommand.Internal {
        START
    }

    private final TimerScheduler<KeeperCommand> timers;
    private final String place;
    private final String bindHost;
    private final LocalComponents local;
    private final ActorRef<CoordinatorCommand> coordinator;
    private int incarnation;
    private boolean givenUp;
    private @Nullable ActorRef<WorkerCommand> worker;

    private InProcessKeeper(
            ActorContext<KeeperCommand> context,
            TimerScheduler<KeeperCommand> timers,
            String place,
            String bindHost,
            LocalComponents local,
            ActorRef<CoordinatorCommand> coordinator) {
        super(context);
        this.timers = timers;
        this.place = place;
        this.bindHost = bindHost;
        this.local = local;
        this.coordinator = coordinator;
        onStart();
    }

    static Behavior<KeeperCommand> create(
            String place, String bindHost, LocalComponents local, ActorRef<CoordinatorCommand> coordinator) {
        return Behaviors.setup(context -> Behaviors.withTimers(
                timers -> new InProcessKeeper(context, timers, place, bindHost, local, coordinator)));
    }

    @Override
    public Receive<KeeperCommand> createReceive() {
        return newReceiveBuilder()
                .onMessageEquals(Tick.START, this::onStart)
                .onMessage(GiveUp.class, giveUp -> onGiveUp())
                .onSignal(ChildFailed.class, this::onChildFailed)
                .onSignal(Terminated.class, terminated -> onStopped())
                .build();
    }

    private Behavior<KeeperCommand> onStart() {
        incarnation++;
        WorkerPlace here = new WorkerPlace(place, incarnation, bindHost);
        ActorRef<WorkerCommand> started =
                getContext().spawn(WorkerActor.create(here, coordinator, local), "worker-" + incarnation);
        getContext().watch(started);
        worker = started;
        return this;
    }

    /** Pekko has logged the stack trace, and wraps what an actor throws while it is made. */
    private Behavior<KeeperCommand> onChildFailed(ChildFailed failed) {
        Throwable cause = failed.cause().getCause();
        Throwable origin =
                failed.cause() instanceof ActorInitializationException && cause != null ? cause : failed.cause();
        coordinator.tell(new WorkerUnavailable(place, FaultTranslation.of(origin)));
        worker = null;
        return givenUp ? Behaviors.stopped() : this;
    }

    private Behavior<KeeperCommand> onStopped() {
        worker = null;
        if (givenUp) {
            return Behaviors.stopped();
        }
        coordinator.tell(new WorkerLost(place, incarnation, "it stopped"));
        timers.startSingleTimer(Tick.START, UNTIL_NEXT_START);
        return this;
    }

    private Behavior<KeeperCommand> onGiveUp() {
        ActorRef<WorkerCommand> present = worker;
        if (present == null) {
            return Behaviors.stopped();
        }
        givenUp = true;
        present.tell(new WorkerCommand.Dismiss());
        return this;
    }
}
