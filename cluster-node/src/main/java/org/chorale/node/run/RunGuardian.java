// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.run;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
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
import org.chorale.proto.message.FeederCommand;
import org.chorale.proto.wire.RunEnded;
import org.chorale.proto.wire.RunEvent;
import org.chorale.worker.FaultTranslation;

/**
 * Starts feeder, coordinator and worker, shows what the coordinator tells, and sees to it that there is an end: what
 * crashes, or falls silent, ends the run with a coded fault. Stops itself, and all three with it, once the run is over.
 */
final class RunGuardian extends AbstractBehavior<RunGuardian.Command> {
    /** How long the coordinator may take to say what it makes of an actor that stopped. */
    private static final Duration EXPLANATION_LIMIT = Duration.ofSeconds(2);

    /** What the guardian is told. */
    sealed interface Command {}

    /** Finish the step in hand, write a checkpoint, end. */
    record Stop(String reason) implements Command {}

    private record Told(RunEvent event) implements Command {}

    private record Silence() implements Command {}

    private record Unexplained(Fault fault) implements Command {}

    private final RunView view;
    private final CompletableFuture<RunEnded> ended;
    private final TimerScheduler<Command> timers;
    private final Duration silenceLimit;
    private final ActorRef<CoordinatorCommand> coordinator;
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
        ActorRef<FeederCommand> feeder = context.spawn(cast.feeder(), "feeder");
        this.coordinator = context.spawn(
                cast.coordinator(feeder, context.messageAdapter(RunEvent.class, Told::new)), "coordinator");
        context.watch(feeder);
        context.watch(coordinator);
        context.watch(context.spawn(cast.worker(coordinator), "worker"));
        awaitEvent();
    }

    /**
     * A guardian that begins at once.
     *
     * @param silenceLimit longest time between two events of the coordinator
     * @param ended completed with the run's end, whatever brought it about
     */
    static Behavior<Command> create(Cast cast, RunView view, Duration silenceLimit, CompletableFuture<RunEnded> ended) {
        return Behaviors.setup(context ->
                Behaviors.withTimers(timers -> new RunGuardian(context, timers, cast, view, silenceLimit, ended)));
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(Told.class, this::onTold)
                .onMessage(Stop.class, this::onStop)
                .onMessage(Silence.class, silence -> onSilence())
                .onMessage(Unexplained.class, unexplained -> fail(unexplained.fault()))
                .onSignal(ChildFailed.class, this::onChildFailed)
                .onSignal(Terminated.class, this::onTerminated)
                .build();
    }

    private Behavior<Command> onTold(Told told) {
        RunEvent event = told.event();
        if (event.hasStep()) {
            lastStep = event.getStep().getStep();
        }
        return event.hasEnded() ? end(event.getEnded()) : show(event);
    }

    private Behavior<Command> onStop(Stop stop) {
        coordinator.tell(new CoordinatorCommand.StopRun(stop.reason()));
        return this;
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

    /**
     * A worker that cannot go on says why to the coordinator and stops, and the coordinator ends the run; so the
     * coordinator is heard first. When it stops itself it has told the run's end before, and this is not reached.
     */
    private Behavior<Command> onTerminated(Terminated terminated) {
        String who = terminated.getRef().path().name();
        Fault fault = new Fault(FaultCode.INTERNAL, "the " + who + " stopped without being asked to");
        if (terminated.getRef().path().equals(coordinator.path())) {
            return fail(fault);
        }
        timers.startSingleTimer(Unexplained.class, new Unexplained(fault), EXPLANATION_LIMIT);
        return this;
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

    private Behavior<Command> end(RunEnded end) {
        view.show(RunEvent.newBuilder().setEnded(end).build());
        ended.complete(end);
        return Behaviors.stopped();
    }

    private void awaitEvent() {
        timers.startSingleTimer(Silence.class, new Silence(), silenceLimit);
    }
}
