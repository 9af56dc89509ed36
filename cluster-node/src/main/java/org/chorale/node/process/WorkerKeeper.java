// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import java.io.IOException;
import java.time.Duration;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorRefResolver;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.PostStop;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.apache.pekko.actor.typed.javadsl.TimerScheduler;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.CoordinatorCommand.WorkerLost;
import org.chorale.proto.message.CoordinatorCommand.WorkerUnavailable;
import org.chorale.proto.message.KeeperCommand;
import org.chorale.proto.message.KeeperCommand.WorkerUp;
import org.chorale.proto.message.WorkerCommand;
import org.jspecify.annotations.Nullable;

/**
 * Keeps a worker's process in its place: starts one, tells the run's coordinator at once when it ends, and starts another,
 * unless several in a row ended before their worker was up. Stops once the place was given up and its process has ended.
 */
final class WorkerKeeper extends AbstractBehavior<KeeperCommand> {
    /** In a row, that ended before they were up. */
    private static final int MAX_STILLBIRTHS = 3;

    /** Before the next start, times the ends in a row. */
    private static final Duration BACKOFF = Duration.ofMillis(500);

    /** How long it may take to give a place up whose worker was dismissed. */
    private static final Duration GIVING_UP = Duration.ofSeconds(2);

    /** How long a dismissed worker may take to free what it holds, */
    private static final Duration DISMISSAL_LIMIT = Duration.ofSeconds(4);
    /** and a process that has lost its lifeline. */
    private static final Duration HALT_LIMIT = Duration.ofSeconds(2);

    private record Ended(int incarnation, WorkerProcess.End end) implements KeeperCommand.Internal {}

    private enum Tick implements KeeperCommand.Internal {
        START,
        CUT_LIFELINE,
        KILL
    }

    /**
     * What all processes of a place have in common.
     *
     * @param place node and slot
     * @param bindHost the only address on which they listen
     * @param system configuration of their actor systems, in HOCON
     */
    record Post(String place, String bindHost, String system, WorkerJvm jvm) {}

    private final TimerScheduler<KeeperCommand> timers;
    private final Post post;
    private final ActorRef<CoordinatorCommand> coordinator;
    private int incarnation;
    private int stillbirths;
    private boolean givenUp;
    private @Nullable WorkerProcess process; // that lives
    private @Nullable ActorRef<WorkerCommand> worker; // that is up in it

    private WorkerKeeper(
            ActorContext<KeeperCommand> context,
            TimerScheduler<KeeperCommand> timers,
            Post post,
            ActorRef<CoordinatorCommand> coordinator) {
        super(context);
        this.timers = timers;
        this.post = post;
        this.coordinator = coordinator;
        context.getSelf().tell(Tick.START);
    }

    static Behavior<KeeperCommand> create(Post post, ActorRef<CoordinatorCommand> coordinator) {
        return Behaviors.setup(
                context -> Behaviors.withTimers(timers -> new WorkerKeeper(context, timers, post, coordinator)));
    }

    @Override
    public Receive<KeeperCommand> createReceive() {
        return newReceiveBuilder()
                .onMessageEquals(Tick.START, this::onStart)
                .onMessage(WorkerUp.class, this::onWorkerUp)
                .onMessage(Ended.class, this::onEnded)
                .onMessage(GiveUp.class, giveUp -> onGiveUp())
                .onMessageEquals(Tick.CUT_LIFELINE, this::onCutLifeline)
                .onMessageEquals(Tick.KILL, this::onKill)
                .onSignal(PostStop.class, stop -> onPostStop())
                .build();
    }

    private Behavior<KeeperCommand> onStart() {
        incarnation++;
        int started = incarnation;
        try {
            WorkerProcess child = WorkerProcess.start(post.jvm(), order());
            process = child;
            getContext().getLog().debug("worker {} runs in process {}", post.place(), child.pid());
            getContext().pipeToSelf(child.onEnd(), (end, failure) -> new Ended(started, end));
        } catch (IOException e) {
            getContext().getSelf().tell(new Ended(started, new WorkerProcess.End(-1, "no process was started: " + e)));
        }
        return this;
    }

    private WorkerOrder order() {
        ActorRefResolver refs = ActorRefResolver.get(getContext().getSystem());
        return new WorkerOrder(
                post.place(),
                incarnation,
                post.bindHost(),
                refs.toSerializationFormat(coordinator),
                refs.toSerializationFormat(getContext().getSelf()),
                post.system());
    }

    private Behavior<KeeperCommand> onWorkerUp(WorkerUp up) {
        if (up.incarnation() == incarnation && process != null) {
            worker = up.worker();
            stillbirths = 0;
            if (givenUp) {
                up.worker().tell(new WorkerCommand.Dismiss());
            }
        }
        return this;
    }

    private Behavior<KeeperCommand> onEnded(Ended ended) {
        boolean wasUp = worker != null;
        process = null;
        worker = null;
        if (givenUp) {
            return Behaviors.stopped();
        }
        stillbirths = wasUp ? 0 : stillbirths + 1;
        tellOfLoss(ended);
        if (stillbirths < MAX_STILLBIRTHS) {
            timers.startSingleTimer(Tick.START, untilNextStart(ended.end()));
        }
        return this;
    }

    private void tellOfLoss(Ended ended) {
        String reason = ended.end().description();
        if (!ended.end().inOrder()) {
            getContext().getLog().warn("the worker {} was lost: {}", post.place(), reason);
        }
        coordinator.tell(new WorkerLost(post.place(), ended.incarnation(), reason));
        if (stillbirths == MAX_STILLBIRTHS) {
            coordinator.tell(new WorkerUnavailable(post.place(), stillborn(reason)));
        }
    }

    /** A worker that was dismissed leaves a place that is about to be given up. */
    private Duration untilNextStart(WorkerProcess.End end) {
        return end.inOrder() ? GIVING_UP : BACKOFF.multipliedBy(stillbirths);
    }

    private Fault stillborn(String reason) {
        return new Fault(
                FaultCode.WORKER_LOST,
                "the worker %s cannot be started, after %d attempts: %s"
                        .formatted(post.place(), MAX_STILLBIRTHS, reason));
    }

    private Behavior<KeeperCommand> onGiveUp() {
        if (process == null) {
            return Behaviors.stopped();
        }
        if (givenUp) {
            return this;
        }
        givenUp = true;
        ActorRef<WorkerCommand> up = worker;
        if (up == null) {
            return onCutLifeline();
        }
        up.tell(new WorkerCommand.Dismiss());
        timers.startSingleTimer(Tick.CUT_LIFELINE, DISMISSAL_LIMIT);
        return this;
    }

    private Behavior<KeeperCommand> onCutLifeline() {
        WorkerProcess child = process;
        if (child != null) {
            child.cutLifeline();
            timers.startSingleTimer(Tick.KILL, HALT_LIMIT);
        }
        return this;
    }

    private Behavior<KeeperCommand> onKill() {
        WorkerProcess child = process;
        if (child != null) {
            child.kill();
        }
        return this;
    }

    /** The actor system ends, and nobody would hear of the process any more. */
    private Behavior<KeeperCommand> onPostStop() {
        WorkerProcess child = process;
        if (child != null) {
            child.kill();
        }
        return this;
    }
}
