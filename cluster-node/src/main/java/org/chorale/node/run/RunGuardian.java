// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.run;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
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
import org.chorale.node.progress.RunView;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.NodeCommand;
import org.chorale.proto.message.RunsCommand;
import org.chorale.proto.wire.RunEnded;
import org.chorale.proto.wire.RunEvent;
import org.chorale.worker.FaultTranslation;
import org.jspecify.annotations.Nullable;

/**
 * Starts a run's coordinator and the agent that has its workers and feeders, shows what the coordinator tells, and sees to
 * it that there is an end: what crashes, or falls silent, ends the run with a coded fault. Stops itself once nothing of the
 * run is left.
 */
final class RunGuardian extends AbstractBehavior<RunGuardian.Command> {
    /** How long workers and feeders may take to end. Their keepers use force before. */
    private static final Duration LEAVING_LIMIT = Duration.ofSeconds(10);

    /** There is only one. */
    private static final String RUN = "run";

    /** What the guardian is told. */
    sealed interface Command {}

    /** Finish the step in hand, write a checkpoint, end. */
    record Stop(String reason) implements Command {}

    private record Told(RunEvent event) implements Command {}

    private record Heard(RunsCommand answer) implements Command {}

    private enum Tick implements Command {
        SILENCE,
        LEFT_OVER
    }

    private final RunView view;
    private final CompletableFuture<RunEnded> ended;
    private final TimerScheduler<Command> timers;
    private final Duration silenceLimit;
    private final ActorRef<CoordinatorCommand> coordinator;
    private final ActorRef<NodeCommand> node;
    private @Nullable RunEnded end; // shown; workers and feeders may still be there
    private long lastStep;

    private RunGuardian(
            ActorContext<Command> context,
            TimerScheduler<Command> timers,
            Cast cast,
            RunView view,
            Duration silenceLimit,
            CompletableFuture<RunEnded> ended) {
        super(context);
        this.view = view;
        this.ended = ended;
        this.timers = timers;
        this.silenceLimit = silenceLimit;
        this.node = context.spawn(cast.node(context.messageAdapter(RunsCommand.class, Heard::new)), "node");
        this.coordinator =
                context.spawn(cast.coordinator(context.messageAdapter(RunEvent.class, Told::new)), "coordinator");
        context.watch(node);
        context.watch(coordinator);
        awaitEvent();
        engage(cast);
    }

    /**
     * A guardian that begins at once.
     *
     * @param silenceLimit longest time between two events of the coordinator
     * @param ended completed with the run's end, whatever brought it about, once workers and feeders are gone
     */
    static Behavior<Command> create(Cast cast, RunView view, Duration silenceLimit, CompletableFuture<RunEnded> ended) {
        return Behaviors.setup(context ->
                Behaviors.withTimers(timers -> new RunGuardian(context, timers, cast, view, silenceLimit, ended)));
    }

    private void engage(Cast cast) {
        List<Integer> slots = IntStream.range(0, cast.workers()).boxed().toList();
        node.tell(new NodeCommand.StartWorkers(RUN, cast.runConf(), LocalCast.NODE, slots, coordinator));
        IntStream.range(0, cast.feeders())
                .mapToObj(feeder -> LocalCast.NODE + "/" + feeder)
                .forEach(place -> node.tell(new NodeCommand.StartFeeder(RUN, cast.runConf(), place, coordinator)));
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(Told.class, this::onTold)
                .onMessage(Stop.class, this::onStop)
                .onMessage(Heard.class, heard -> onHeard(heard.answer()))
                .onMessageEquals(Tick.SILENCE, this::onSilence)
                .onMessageEquals(Tick.LEFT_OVER, this::leave)
                .onSignal(ChildFailed.class, this::onChildFailed)
                .onSignal(Terminated.class, this::onTerminated)
                .build();
    }

    private Behavior<Command> onTold(Told told) {
        RunEvent event = told.event();
        if (end != null) {
            return this;
        }
        if (event.hasStep()) {
            lastStep = event.getStep().getStep();
        }
        return event.hasEnded() ? end(event.getEnded()) : show(event);
    }

    private Behavior<Command> onStop(Stop stop) {
        coordinator.tell(new CoordinatorCommand.StopRun(stop.reason()));
        return this;
    }

    private Behavior<Command> onHeard(RunsCommand answer) {
        return answer instanceof RunsCommand.RunLeft && end != null ? leave() : this;
    }

    private Behavior<Command> onSilence() {
        return fail(new Fault(
                FaultCode.TIMED_OUT,
                "the coordinator said nothing for %s seconds".formatted(silenceLimit.toSeconds())));
    }

    /** Pekko has logged the stack trace. */
    private Behavior<Command> onChildFailed(ChildFailed failed) {
        return fail(FaultTranslation.of(origin(failed.cause())));
    }

    /** Pekko wraps what an actor throws while it is made. */
    private static Throwable origin(Throwable thrown) {
        Throwable cause = thrown.getCause();
        return thrown instanceof ActorInitializationException && cause != null ? cause : thrown;
    }

    /** A coordinator that stops has told the run's end before. */
    private Behavior<Command> onTerminated(Terminated terminated) {
        String who = terminated.getRef().path().name();
        return fail(new Fault(FaultCode.INTERNAL, "the " + who + " stopped without being asked to"));
    }

    private Behavior<Command> show(RunEvent event) {
        awaitEvent();
        view.show(event);
        return this;
    }

    private Behavior<Command> fail(Fault fault) {
        return end(RunEnded.newBuilder()
                .setOutcome(RunEnded.Outcome.FAILED)
                .setStep(lastStep)
                .setFaultCode(fault.code().name())
                .setMessage(fault.message())
                .build());
    }

    private Behavior<Command> end(RunEnded how) {
        if (end == null) {
            end = how;
            view.show(RunEvent.newBuilder().setEnded(how).build());
            timers.cancel(Tick.SILENCE);
            timers.startSingleTimer(Tick.LEFT_OVER, LEAVING_LIMIT);
            node.tell(new NodeCommand.EndRun(RUN));
        }
        return this;
    }

    /** Whatever is left then ends with the actor system. */
    private Behavior<Command> leave() {
        ended.complete(end);
        return Behaviors.stopped();
    }

    private void awaitEvent() {
        timers.startSingleTimer(Tick.SILENCE, silenceLimit);
    }
}
