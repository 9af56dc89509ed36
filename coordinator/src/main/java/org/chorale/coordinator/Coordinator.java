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
import org.chorale.coordinator.directory.Checkpoint;
import org.chorale.coordinator.directory.Checkpoints;
import org.chorale.coordinator.directory.MetricsLog;
import org.chorale.coordinator.directory.MetricsSettings;
import org.chorale.coordinator.directory.RunDirectory;
import org.chorale.coordinator.plan.DataFacts;
import org.chorale.coordinator.plan.Decision;
import org.chorale.coordinator.plan.Effect;
import org.chorale.coordinator.plan.ResumePoint;
import org.chorale.coordinator.plan.RunPlan;
import org.chorale.coordinator.plan.RunSignal;
import org.chorale.coordinator.plan.RunState;
import org.chorale.coordinator.plan.RunTerms;
import org.chorale.coordinator.plan.Standing;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.FeederCommand;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.proto.pulse.Pulse;
import org.chorale.proto.wire.CheckpointCommitted;
import org.chorale.proto.wire.CheckpointManifest;
import org.chorale.proto.wire.EvaluationReport;
import org.chorale.proto.wire.RunEnded;
import org.chorale.proto.wire.RunEvent;
import org.chorale.proto.wire.StillWorking;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Leads one run: turns messages into signals, and carries out what {@link RunPlan} decides, with messages, the run
 * directory and two timers; what reads whole checkpoints it has done on another thread. It decides nothing itself. However the run ends, the listener hears {@link RunEnded} once,
 * and the actor stops; the directory stays open for whoever opened it to close.
 */
public final class Coordinator extends AbstractBehavior<CoordinatorCommand> {
    private static final Logger LOG = LoggerFactory.getLogger(Coordinator.class); // for other threads than the actor's
    private static final int RANK = 0; // of the only worker

    /** Nothing moved the run for {@code run.progress-timeout}. */
    private record ProgressTimedOut() implements CoordinatorCommand.Internal {}

    /** The worker's actor is gone. */
    private record WorkerGone() implements CoordinatorCommand.Internal {}

    /** Long enough for a fault that arises together with another; the user waits for it. */
    private static final Duration ANOTHER_FAULT = Duration.ofSeconds(1);

    /** Nobody has told another fault. */
    private record NothingMore() implements CoordinatorCommand.Internal {}

    /** Work on the disk is done: what follows from it, or how it failed. */
    private record DiskDone(
            @Nullable RunSignal signal, @Nullable Throwable failure) implements CoordinatorCommand.Internal {}

    private final String runConf;
    private final MetricsSettings metricsSettings;
    private final RunDirectory directory;
    private final ActorRef<FeederCommand> feeder;
    private final ActorRef<RunEvent> listener;
    private final TimerScheduler<CoordinatorCommand> timers;
    private final Executor disk;
    private final DiskReading reading;
    private RunState state;
    private @Nullable ActorRef<WorkerCommand> worker;
    private @Nullable MetricsLog metrics;
    private String workerName = "no worker"; // host and device: what decides bits is recorded with the run

    private Coordinator(
            ActorContext<CoordinatorCommand> context,
            TimerScheduler<CoordinatorCommand> timers,
            RunTerms terms,
            MetricsSettings metricsSettings,
            String runConf,
            RunDirectory directory,
            ActorRef<FeederCommand> feeder,
            ActorRef<RunEvent> listener) {
        super(context);
        this.timers = timers;
        this.metricsSettings = metricsSettings;
        this.runConf = runConf;
        this.directory = directory;
        this.feeder = feeder;
        this.listener = listener;
        this.state = RunPlan.start(terms);
        this.disk = context.getSystem().dispatchers().lookup(DispatcherSelector.blocking());
        this.reading = new DiskReading(context.getSelf(), Pulse.interval(progressTimeout()));
        awaitProgress();
    }

    /**
     * A coordinator that waits for a worker to join.
     *
     * @param runConf the configuration as resolved, in HOCON
     * @param directory of this run
     * @throws FaultException CONFIG_INVALID, with every problem
     */
    public static Behavior<CoordinatorCommand> create(
            String runConf, RunDirectory directory, ActorRef<FeederCommand> feeder, ActorRef<RunEvent> listener) {
        RunTerms terms = RunTerms.read(runConf);
        MetricsSettings metrics = ConfigReader.read(runConf, "metrics", MetricsSettings.class);
        return Behaviors.setup(context -> Behaviors.withTimers(
                timers -> new Coordinator(context, timers, terms, metrics, runConf, directory, feeder, listener)));
    }

    @Override
    public Receive<CoordinatorCommand> createReceive() {
        return newReceiveBuilder()
                .onMessage(CoordinatorCommand.WorkerJoined.class, this::onWorkerJoined)
                .onMessage(
                        CoordinatorCommand.ModelDescribed.class,
                        m -> hear(new RunSignal.ModelDescribed(m.generation(), m.outline())))
                .onMessage(CoordinatorCommand.DataDescribed.class, this::onDataDescribed)
                .onMessage(
                        CoordinatorCommand.ShardReady.class,
                        m -> hear(new RunSignal.ShardReady(m.generation(), m.step(), m.checkpointBytes())))
                .onMessage(
                        CoordinatorCommand.StepDone.class,
                        m -> hear(new RunSignal.StepDone(m.generation(), m.report())))
                .onMessage(
                        CoordinatorCommand.SpanDone.class, m -> hear(new RunSignal.SpanDone(m.generation(), m.step())))
                .onMessage(
                        CoordinatorCommand.Evaluated.class,
                        m -> hear(new RunSignal.Evaluated(m.generation(), m.report())))
                .onMessage(
                        CoordinatorCommand.ShardWritten.class,
                        m -> hear(new RunSignal.ShardWritten(m.generation(), m.step(), m.file())))
                .onMessage(
                        CoordinatorCommand.ModelExported.class,
                        m -> hear(new RunSignal.ModelExported(m.generation(), m.step())))
                .onMessage(
                        CoordinatorCommand.WorkerFailed.class,
                        m -> hear(new RunSignal.WorkerFailed(m.generation(), m.fault())))
                .onMessage(
                        CoordinatorCommand.FeedFailed.class,
                        m -> hear(new RunSignal.FeedFailed(m.generation(), m.feed(), m.fault())))
                .onMessage(
                        CoordinatorCommand.StillWorking.class,
                        m -> hear(new RunSignal.StillWorking(m.generation(), m.done())))
                .onMessage(CoordinatorCommand.StopRun.class, m -> hear(new RunSignal.StopRequested(m.reason())))
                .onMessage(DiskDone.class, this::onDiskDone)
                .onMessage(NothingMore.class, m -> hear(new RunSignal.NothingMore()))
                .onMessage(WorkerGone.class, m -> hear(new RunSignal.WorkerLost()))
                .onMessage(ProgressTimedOut.class, m -> hear(new RunSignal.Silence(progressTimeout())))
                .onSignal(PostStop.class, signal -> onPostStop())
                .build();
    }

    private Behavior<CoordinatorCommand> onWorkerJoined(CoordinatorCommand.WorkerJoined joined) {
        if (worker == null) {
            worker = joined.worker();
            workerName = "the worker on %s (%s)".formatted(joined.host(), joined.device());
            getContext().watchWith(joined.worker(), new WorkerGone());
        }
        return hear(new RunSignal.WorkerJoined("the worker on %s (%s)".formatted(joined.host(), joined.device())));
    }

    private Behavior<CoordinatorCommand> onDataDescribed(CoordinatorCommand.DataDescribed data) {
        return hear(new RunSignal.DataDescribed(
                data.generation(),
                new DataFacts(
                        data.examples(),
                        data.steps(),
                        data.rowsSkipped(),
                        data.evaluationExamples(),
                        data.tokenIds(),
                        data.digest())));
    }

    private Behavior<CoordinatorCommand> onDiskDone(DiskDone done) {
        return hear(
                done.signal() != null
                        ? done.signal()
                        : new RunSignal.EffectFailed(fault(Objects.requireNonNull(done.failure()))));
    }

    private Behavior<CoordinatorCommand> onPostStop() {
        reading.cancel();
        if (metrics != null) {
            metrics.close();
        }
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

    private Optional<RunSignal> follow(RunSignal signal) {
        Decision decision;
        try {
            decision = RunPlan.decide(state, signal);
        } catch (RuntimeException e) {
            return Optional.of(new RunSignal.EffectFailed(bug(e)));
        }
        if (decision.state() != state) {
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

    /** What an effect gives rise to at once, if anything. */
    private Optional<RunSignal> carryOut(Effect effect) {
        if (effect instanceof Effect.ClaimGeneration) {
            onDisk(claimGeneration(workerName));
        } else if (effect instanceof Effect.VerifyCheckpoint verify) {
            onDisk(verifyCheckpoint(verify));
        } else if (effect instanceof Effect.Commit commit) {
            return Optional.of(commit(commit));
        } else if (effect instanceof Effect.Describe describe) {
            describe(describe);
        } else if (effect instanceof Effect.RememberInputs remember) {
            directory.rememberInputs(remember.dataDigest(), remember.configDigest());
        } else if (effect instanceof Effect.OpenMetrics open) {
            openMetrics(open);
        } else if (effect instanceof Effect.TakeShard take) {
            takeShard(take);
        } else if (effect instanceof Effect.Order order) {
            worker().tell(order.command());
        } else if (effect instanceof Effect.Announce announce) {
            listener.tell(RunEvent.newBuilder().setStarted(announce.started()).build());
        } else if (effect instanceof Effect.RecordStep record) {
            metrics().append(record.report());
            listener.tell(RunEvent.newBuilder().setStep(record.report()).build());
        } else if (effect instanceof Effect.RecordEvaluation record) {
            metrics().append(record.report());
            listener.tell(RunEvent.newBuilder().setEvaluation(record.report()).build());
        } else if (effect instanceof Effect.WriteCheckpoint write) {
            String folder = directory
                    .beginCheckpoint(write.step(), write.generation(), write.bytes())
                    .toString();
            worker().tell(new WorkerCommand.WriteShard(write.generation(), write.step(), folder));
        } else if (effect instanceof Effect.Export export) {
            directory.discardExport();
            String folder = directory.exportFolder().toString();
            worker().tell(new WorkerCommand.ExportModel(export.generation(), export.step(), folder));
        } else if (effect instanceof Effect.WaitOn wait) {
            waitOn(wait);
        } else if (effect instanceof Effect.AwaitMore) {
            timers.startSingleTimer(NothingMore.class, new NothingMore(), ANOTHER_FAULT);
        } else {
            throw new IllegalStateException("nobody carries out " + effect);
        }
        return Optional.empty();
    }

    /** Does work on a thread that may block; its signal is heard when it is done. Nothing of the actor is touched there. */
    private void onDisk(Supplier<RunSignal> work) {
        getContext().pipeToSelf(CompletableFuture.supplyAsync(work, disk), DiskDone::new);
    }

    private Supplier<RunSignal> claimGeneration(String workers) {
        Runnable progress = reading.progress(state.generation());
        boolean keepBest = state.terms().checkpoint().keepBest();
        return () -> {
            long generation = directory.claimGeneration(workers);
            Checkpoints.Found found = directory.checkpoints().newestWhole(progress);
            found.defects().forEach(defect -> LOG.warn("Checkpoint passed over: {}", defect));
            Optional<ResumePoint> resume = found.checkpoint().map(checkpoint -> resumePoint(checkpoint, keepBest));
            return new RunSignal.GenerationClaimed(generation, resume, directory.exported());
        };
    }

    private ResumePoint resumePoint(Checkpoint checkpoint, boolean keepBest) {
        return new ResumePoint(
                checkpoint.folder().toString(),
                checkpoint.step(),
                checkpoint.manifest().getSkippedInARow(),
                standing(checkpoint.manifest(), keepBest),
                directory.dataDigest(),
                directory.configDigest());
    }

    /** A best one whose checkpoint is lost can neither be exported nor be what later ones have to beat. */
    private Standing standing(CheckpointManifest manifest, boolean keepBest) {
        Optional<EvaluationReport> own =
                manifest.hasEvaluation() ? Optional.of(manifest.getEvaluation()) : Optional.empty();
        Optional<EvaluationReport> best = manifest.hasBest() ? Optional.of(manifest.getBest()) : Optional.empty();
        boolean lost = keepBest
                && best.filter(report -> !directory.checkpoints().isCommitted(report.getStep()))
                        .isPresent();
        if (lost) {
            LOG.warn(
                    "The checkpoint of step {}, the best so far, is gone; the next evaluation is the best then",
                    manifest.getBest().getStep());
        }
        return new Standing(own, lost ? Optional.empty() : best, manifest.getEvaluationsSinceBest());
    }

    private Supplier<RunSignal> verifyCheckpoint(Effect.VerifyCheckpoint verify) {
        Runnable progress = reading.progress(verify.generation());
        return () -> new RunSignal.CheckpointVerified(
                verify.generation(),
                directory
                        .checkpoints()
                        .wholeAt(verify.step(), progress)
                        .folder()
                        .toString());
    }

    private void waitOn(Effect.WaitOn wait) {
        awaitProgress();
        StillWorking working = StillWorking.newBuilder()
                .setAwaited(state.awaited())
                .setDone(wait.done())
                .setTotal(wait.total())
                .build();
        listener.tell(RunEvent.newBuilder().setWorking(working).build());
    }

    private void describe(Effect.Describe describe) {
        ActorRef<CoordinatorCommand> self = getContext().getSelf();
        worker().tell(new WorkerCommand.DescribeModel(describe.generation(), runConf, self));
        feeder.tell(new FeederCommand.DescribeData(describe.generation(), runConf, self));
    }

    private void openMetrics(Effect.OpenMetrics open) {
        MetricsLog opened = open.resumeStep()
                .map(step -> directory.resumeMetrics(step, metricsSettings))
                .orElseGet(() -> directory.startMetrics(metricsSettings));
        opened.remarks().forEach(remark -> getContext().getLog().warn("{}", remark));
        metrics = opened;
    }

    private void takeShard(Effect.TakeShard take) {
        worker().tell(new WorkerCommand.TakeShard(
                take.generation(),
                RANK,
                take.plan(),
                runConf,
                take.checkpoint(),
                take.totalSteps(),
                feeder,
                getContext().getSelf()));
    }

    /** The metrics up to this step are on the disk before the checkpoint says that they are. */
    private RunSignal commit(Effect.Commit commit) {
        metrics().sync();
        Checkpoint checkpoint = directory.commit(manifest(commit));
        directory.prune(
                checkpoint,
                state.terms().checkpoint().keep(),
                state.terms().checkpoint().keepBest());
        CheckpointCommitted event = CheckpointCommitted.newBuilder()
                .setStep(commit.step())
                .setPath(checkpoint.folder().toString())
                .setBytes(checkpoint.bytes())
                .setBest(commit.standing().isBest(commit.step()))
                .build();
        listener.tell(RunEvent.newBuilder().setCheckpoint(event).build());
        return new RunSignal.Committed(commit.generation(), commit.step());
    }

    private static CheckpointManifest manifest(Effect.Commit commit) {
        Standing standing = commit.standing();
        CheckpointManifest.Builder manifest = CheckpointManifest.newBuilder()
                .setFormatVersion(Checkpoint.FORMAT_VERSION)
                .setGeneration(commit.generation())
                .setStep(commit.step())
                .setSkippedInARow(commit.skippedInARow())
                .setWorldSize(commit.files().size())
                .setChoraleVersion(ReleaseVersion.read())
                .addAllFiles(commit.files())
                .setEvaluationsSinceBest(standing.sinceBest());
        standing.at(commit.step()).ifPresent(manifest::setEvaluation);
        standing.best().ifPresent(manifest::setBest);
        return manifest.build();
    }

    /** A run whose last effects failed did not end as it was meant to. */
    private void end(Effect.End end, Optional<Fault> failure) {
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
            LOG.warn("The best checkpoint cannot be looked up: {}", e.getMessage());
        }
    }

    private void awaitProgress() {
        timers.startSingleTimer(ProgressTimedOut.class, new ProgressTimedOut(), progressTimeout());
    }

    private Duration progressTimeout() {
        return state.terms().run().progressTimeout();
    }

    private ActorRef<WorkerCommand> worker() {
        return Objects.requireNonNull(worker, "no worker has joined");
    }

    private MetricsLog metrics() {
        return Objects.requireNonNull(metrics, "the metrics are not open yet");
    }
}
