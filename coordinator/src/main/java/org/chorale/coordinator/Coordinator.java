// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.function.Supplier;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.DispatcherSelector;
import org.apache.pekko.actor.typed.PostStop;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.apache.pekko.actor.typed.javadsl.TimerScheduler;
import org.chorale.coordinator.directory.MetricsSettings;
import org.chorale.coordinator.directory.RunDirectory;
import org.chorale.coordinator.plan.DataFacts;
import org.chorale.coordinator.plan.Decision;
import org.chorale.coordinator.plan.Effect;
import org.chorale.coordinator.plan.ParallelSettings.Isolation;
import org.chorale.coordinator.plan.RunPlan;
import org.chorale.coordinator.plan.RunSignal;
import org.chorale.coordinator.plan.RunState;
import org.chorale.coordinator.plan.RunTerms;
import org.chorale.coordinator.plan.Worker;
import org.chorale.coordinator.plan.WorkerId;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.proto.pulse.Pulse;
import org.chorale.proto.wire.RunEnded;
import org.chorale.proto.wire.RunEvent;
import org.chorale.proto.wire.StillWorking;
import org.jspecify.annotations.Nullable;

/**
 * Leads one run: turns messages into signals, and has carried out what {@link RunPlan} decides. It decides nothing itself.
 * Workers and feeders join it, wherever they are. However the run ends, the listener hears {@link RunEnded} once, all
 * workers are dismissed, and the actor stops; the directory stays open for whoever opened it to close.
 */
public final class Coordinator extends AbstractBehavior<CoordinatorCommand> {
    /** Whoever gives a run its places. */
    public interface Places {
        /** Give another, now or once there is one, instead of a place in which no worker can live. */
        void replace(String place, String reason);
    }

    /** Nothing moved the run for {@code run.progress-timeout}. */
    private record ProgressTimedOut() implements CoordinatorCommand.Internal {}

    /** The actor of a worker in this JVM has stopped; of others their node tells. */
    private record WorkerStopped(WorkerId worker) implements CoordinatorCommand.Internal {}

    /** Long enough for a fault that arises together with another; the user waits for it. */
    private static final Duration ANOTHER_FAULT = Duration.ofSeconds(1);

    /** Nobody has told another fault. */
    private record NothingMore() implements CoordinatorCommand.Internal {}

    /** Shortest time between two assurances that there is work going on. */
    private static final Duration BETWEEN_ASSURANCES = Duration.ofMillis(200);

    /** The listener may be assured again. */
    private record Assured() implements CoordinatorCommand.Internal {}

    /** Work on the disk is done: what follows from it, or how it failed. */
    private record DiskDone(
            @Nullable RunSignal signal, @Nullable Throwable failure) implements CoordinatorCommand.Internal {}

    private final RunDirectory directory;
    private final ActorRef<RunEvent> listener;
    private final TimerScheduler<CoordinatorCommand> timers;
    private final Executor disk;
    private final DiskReading reading;
    private final Optional<Places> places; // of a cluster
    private final Roster roster = new Roster();
    private final RunRecords records;
    private final Direction direction;
    private RunState state;

    private Coordinator(
            ActorContext<CoordinatorCommand> context,
            TimerScheduler<CoordinatorCommand> timers,
            RunTerms terms,
            MetricsSettings metricsSettings,
            String runConf,
            RunDirectory directory,
            ActorRef<RunEvent> listener,
            Optional<Places> places) {
        super(context);
        this.timers = timers;
        this.directory = directory;
        this.listener = listener;
        this.places = places;
        this.state = places.isPresent() ? RunPlan.startInCluster(terms) : RunPlan.start(terms);
        this.disk = context.getSystem().dispatchers().lookup(DispatcherSelector.blocking());
        this.reading = new DiskReading(context.getSelf(), Pulse.interval(progressTimeout()));
        this.records = new RunRecords(directory, terms.checkpoint(), metricsSettings);
        this.direction = new Direction(runConf, directory, records, roster, listener, context.getSelf());
        awaitProgress();
    }

    /**
     * A coordinator of a run on one machine, that waits for workers and feeders to join.
     *
     * @param runConf the configuration as resolved, in HOCON
     * @param directory of this run
     * @throws FaultException CONFIG_INVALID, with every problem
     */
    public static Behavior<CoordinatorCommand> create(
            String runConf, RunDirectory directory, ActorRef<RunEvent> listener) {
        return create(runConf, directory, listener, Optional.empty());
    }

    /**
     * The same in a cluster, which has other places.
     *
     * @param places told, on the actor's thread, of those in which no worker can live
     */
    public static Behavior<CoordinatorCommand> create(
            String runConf, RunDirectory directory, ActorRef<RunEvent> listener, Places places) {
        return create(runConf, directory, listener, Optional.of(places));
    }

    private static Behavior<CoordinatorCommand> create(
            String runConf, RunDirectory directory, ActorRef<RunEvent> listener, Optional<Places> places) {
        RunTerms terms = RunTerms.read(runConf);
        MetricsSettings metrics = ConfigReader.read(runConf, "metrics", MetricsSettings.class);
        return Behaviors.setup(context -> Behaviors.withTimers(
                timers -> new Coordinator(context, timers, terms, metrics, runConf, directory, listener, places)));
    }

    @Override
    public Receive<CoordinatorCommand> createReceive() {
        return newReceiveBuilder()
                .onMessage(CoordinatorCommand.WorkerJoined.class, this::onWorkerJoined)
                .onMessage(CoordinatorCommand.WorkerLost.class, this::onWorkerLost)
                .onMessage(WorkerStopped.class, this::onWorkerStopped)
                .onMessage(
                        CoordinatorCommand.WorkerUnavailable.class,
                        m -> hear(new RunSignal.WorkerUnavailable(m.worker(), m.fault())))
                .onMessage(CoordinatorCommand.FeederJoined.class, this::onFeederJoined)
                .onMessage(CoordinatorCommand.FeederLost.class, this::onFeederLost)
                .onMessage(
                        CoordinatorCommand.Abandoned.class,
                        m -> hear(new RunSignal.Abandoned(m.generation(), new WorkerId(m.worker(), m.incarnation()))))
                .onMessage(
                        CoordinatorCommand.ModelDescribed.class,
                        m -> hear(new RunSignal.ModelDescribed(m.generation(), m.outline())))
                .onMessage(CoordinatorCommand.DataDescribed.class, this::onDataDescribed)
                .onMessage(CoordinatorCommand.GroupKeyMade.class, this::onGroupKeyMade)
                .onMessage(
                        CoordinatorCommand.ShardReady.class,
                        m -> hear(new RunSignal.ShardReady(
                                m.generation(), m.rank(), m.step(), m.checkpointBytes(), m.holding())))
                .onMessage(
                        CoordinatorCommand.StepDone.class,
                        m -> hear(new RunSignal.StepDone(m.generation(), m.rank(), m.report())))
                .onMessage(
                        CoordinatorCommand.SpanDone.class,
                        m -> hear(new RunSignal.SpanDone(m.generation(), m.rank(), m.step())))
                .onMessage(
                        CoordinatorCommand.Evaluated.class,
                        m -> hear(new RunSignal.Evaluated(m.generation(), m.rank(), m.report())))
                .onMessage(
                        CoordinatorCommand.ShardWritten.class,
                        m -> hear(new RunSignal.ShardWritten(m.generation(), m.rank(), m.step(), m.file())))
                .onMessage(
                        CoordinatorCommand.ModelExported.class,
                        m -> hear(new RunSignal.ModelExported(m.generation(), m.step())))
                .onMessage(
                        CoordinatorCommand.WorkerFailed.class,
                        m -> hear(new RunSignal.WorkerFailed(m.generation(), m.rank(), m.fault())))
                .onMessage(
                        CoordinatorCommand.FeedFailed.class,
                        m -> hear(new RunSignal.FeedFailed(m.generation(), m.fault())))
                .onMessage(
                        CoordinatorCommand.StillWorking.class,
                        m -> hear(new RunSignal.StillWorking(m.generation(), m.done())))
                .onMessage(CoordinatorCommand.StopRun.class, m -> hear(new RunSignal.StopRequested(m.reason())))
                .onMessage(DiskDone.class, this::onDiskDone)
                .onMessage(NothingMore.class, m -> hear(new RunSignal.NothingMore()))
                .onMessage(Assured.class, m -> this)
                .onMessage(ProgressTimedOut.class, m -> hear(new RunSignal.Silence(progressTimeout())))
                .onSignal(PostStop.class, signal -> onPostStop())
                .build();
    }

    /** Only the worker of this JVM is watched: the process of another is watched by its node, which says at once. */
    private Behavior<CoordinatorCommand> onWorkerJoined(CoordinatorCommand.WorkerJoined joined) {
        WorkerId id = new WorkerId(joined.worker(), joined.incarnation());
        roster.add(id, joined.ref());
        if (isInThisJvm(joined.ref())) {
            getContext().watchWith(joined.ref(), new WorkerStopped(id));
        }
        return hear(new RunSignal.WorkerJoined(new Worker(id, joined.host(), joined.device())));
    }

    private Behavior<CoordinatorCommand> onWorkerLost(CoordinatorCommand.WorkerLost lost) {
        return onWorkerLost(new WorkerId(lost.worker(), lost.incarnation()), lost.reason());
    }

    private Behavior<CoordinatorCommand> onWorkerLost(WorkerId worker, String reason) {
        Behavior<CoordinatorCommand> next = hear(new RunSignal.WorkerLost(worker, reason));
        roster.remove(worker);
        return next;
    }

    /** Nobody starts another in its place where workers are threads of this process. */
    private Behavior<CoordinatorCommand> onWorkerStopped(WorkerStopped stopped) {
        return state.terms().parallel().isolation() == Isolation.IN_PROCESS
                ? hear(new RunSignal.WorkerUnavailable(
                        stopped.worker().place(),
                        new Fault(
                                FaultCode.WORKER_LOST,
                                "the worker %s ended while the run waited for %s"
                                        .formatted(stopped.worker().place(), state.awaited()))))
                : onWorkerLost(stopped.worker(), "its actor has stopped");
    }

    private Behavior<CoordinatorCommand> onFeederJoined(CoordinatorCommand.FeederJoined joined) {
        roster.add(joined.feeder(), joined.incarnation(), joined.ref());
        getContext()
                .watchWith(
                        joined.ref(),
                        new CoordinatorCommand.FeederLost(
                                joined.feeder(), joined.incarnation(), "its actor has stopped, or its node is gone"));
        return hear(new RunSignal.FeederJoined(joined.feeder(), joined.incarnation()));
    }

    private Behavior<CoordinatorCommand> onFeederLost(CoordinatorCommand.FeederLost lost) {
        Behavior<CoordinatorCommand> next =
                hear(new RunSignal.FeederLost(lost.feeder(), lost.incarnation(), lost.reason()));
        roster.remove(lost.feeder(), lost.incarnation());
        return next;
    }

    private Behavior<CoordinatorCommand> onDataDescribed(CoordinatorCommand.DataDescribed data) {
        DataFacts facts = new DataFacts(
                data.examples(),
                data.steps(),
                data.rowsSkipped(),
                data.evaluationExamples(),
                data.tokenIds(),
                data.digest());
        return hear(new RunSignal.DataDescribed(data.generation(), data.feeder(), facts));
    }

    /** Nothing is decided by it, so that the plan does not hear of it; only ranks that load have a use for it. */
    private Behavior<CoordinatorCommand> onGroupKeyMade(CoordinatorCommand.GroupKeyMade made) {
        if (state instanceof RunState.Loading loading && loading.generation() == made.generation()) {
            direction.passOn(made, loading.team());
        }
        return this;
    }

    private Behavior<CoordinatorCommand> onDiskDone(DiskDone done) {
        return hear(
                done.signal() != null
                        ? done.signal()
                        : new RunSignal.EffectFailed(fault(Objects.requireNonNull(done.failure()))));
    }

    private Behavior<CoordinatorCommand> onPostStop() {
        reading.cancel();
        records.close();
        return this;
    }

    /** Follows a signal, and those that follow from it, until the run waits again or is over. */
    private Behavior<CoordinatorCommand> hear(RunSignal signal) {
        Deque<RunSignal> signals = new ArrayDeque<>(List.of(signal));
        while (!signals.isEmpty()) {
            follow(signals.remove()).ifPresent(signals::add);
        }
        return state instanceof RunState.Ended ? Behaviors.stopped() : this;
    }

    /** Progress is what changes what is waited for: a rank that runs ahead of one that hangs is none. */
    private Optional<RunSignal> follow(RunSignal signal) {
        Decision decision;
        try {
            decision = RunPlan.decide(state, signal);
        } catch (RuntimeException e) {
            return Optional.of(new RunSignal.EffectFailed(bug(e)));
        }
        boolean progress =
                decision.state() != state && !decision.state().awaited().equals(state.awaited());
        if (progress) {
            awaitProgress();
        }
        state = decision.state();
        return carryOut(decision.effects());
    }

    /** Carries out effects in order. After one that failed there is no other but the run's end. */
    private Optional<RunSignal> carryOut(List<Effect> effects) {
        Optional<RunSignal> answer = Optional.empty();
        Optional<Fault> failure = Optional.empty();
        for (Effect effect : effects) {
            if (effect instanceof Effect.End end) {
                end(end, failure);
            } else if (failure.isEmpty()) {
                try {
                    answer = carryOut(effect);
                } catch (RuntimeException e) {
                    failure = Optional.of(fault(e));
                }
            }
        }
        return failure.isPresent() ? failure.map(RunSignal.EffectFailed::new) : answer;
    }

    private Fault fault(Throwable thrown) {
        Throwable cause =
                thrown instanceof CompletionException && thrown.getCause() != null ? thrown.getCause() : thrown;
        return cause instanceof FaultException known ? known.fault() : bug(cause);
    }

    private Fault bug(Throwable e) {
        getContext().getLog().error("The coordinator failed while the run waited for {}", state.awaited(), e);
        return new Fault(FaultCode.INTERNAL, "the coordinator failed: " + e);
    }

    private Optional<RunSignal> carryOut(Effect effect) {
        if (effect instanceof Effect.ClaimGeneration claim) {
            onDisk(records.claim(claim, reading.progress(state.generation())));
        } else if (effect instanceof Effect.VerifyCheckpoint verify) {
            onDisk(records.verify(verify, reading.progress(verify.generation())));
        } else if (effect instanceof Effect.WaitOn wait) {
            waitOn(wait);
        } else if (effect instanceof Effect.AwaitMore) {
            timers.startSingleTimer(NothingMore.class, new NothingMore(), ANOTHER_FAULT);
        } else if (effect instanceof Effect.ReplacePlace replace) {
            places.orElseThrow().replace(replace.place(), replace.reason());
        } else {
            return direction.carryOut(effect);
        }
        return Optional.empty();
    }

    /** Does work on a thread that may block; its signal is heard when it is done. Nothing of the actor is touched there. */
    private void onDisk(Supplier<RunSignal> work) {
        getContext().pipeToSelf(CompletableFuture.supplyAsync(work, disk), DiskDone::new);
    }

    private void waitOn(Effect.WaitOn wait) {
        awaitProgress();
        if (timers.isTimerActive(Assured.class)) {
            return; // every rank says that it is at work
        }
        timers.startSingleTimer(Assured.class, new Assured(), BETWEEN_ASSURANCES);
        StillWorking working = StillWorking.newBuilder()
                .setAwaited(state.awaited())
                .setDone(wait.done())
                .setTotal(wait.total())
                .build();
        listener.tell(RunEvent.newBuilder().setWorking(working).build());
    }

    /** A run whose last effects failed did not end as it was meant to. */
    private void end(Effect.End end, Optional<Fault> failure) {
        roster.workers().forEach(worker -> worker.tell(new WorkerCommand.Dismiss()));
        Optional<Fault> fault = end.fault().or(() -> failure);
        RunEnded.Builder ended = RunEnded.newBuilder()
                .setStep(end.step())
                .setOutcome(fault.isPresent() ? RunEnded.Outcome.FAILED : end.outcome())
                .setFaultCode(fault.map(Fault::code).map(Enum::name).orElse(""))
                .setMessage(fault.map(Fault::message).orElse(end.message()));
        if (ended.getOutcome() == RunEnded.Outcome.FINISHED) {
            ended.setExportPath(directory.exportFolder().toString());
        }
        if (state.terms().checkpoint().keepBest()) {
            addBest(ended);
        }
        listener.tell(RunEvent.newBuilder().setEnded(ended).build());
    }

    private void addBest(RunEnded.Builder ended) {
        try {
            directory
                    .checkpoints()
                    .best()
                    .ifPresent(best -> ended.setBest(best.manifest().getEvaluation())
                            .setBestPath(best.folder().toString()));
        } catch (FaultException e) {
            getContext().getLog().warn("The best checkpoint cannot be looked up: {}", e.getMessage());
        }
    }

    private static boolean isInThisJvm(ActorRef<?> ref) {
        return ref.path().address().hasLocalScope();
    }

    private void awaitProgress() {
        timers.startSingleTimer(ProgressTimedOut.class, new ProgressTimedOut(), progressTimeout());
    }

    private Duration progressTimeout() {
        return state.terms().run().progressTimeout();
    }
}
