// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
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
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.FeederCommand;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.proto.wire.CheckpointCommitted;
import org.chorale.proto.wire.CheckpointManifest;
import org.chorale.proto.wire.RunEnded;
import org.chorale.proto.wire.RunEvent;
import org.jspecify.annotations.Nullable;

/**
 * Leads one run: turns messages into signals, and carries out what {@link RunPlan} decides, with messages, the run
 * directory and one timer. It decides nothing itself. However the run ends, the listener hears {@link RunEnded} once,
 * and the actor stops; the directory stays open for whoever opened it to close.
 */
public final class Coordinator extends AbstractBehavior<CoordinatorCommand> {
    private static final int RANK = 0; // of the only worker

    /** Nothing moved the run for {@code run.progress-timeout}. */
    private record ProgressTimedOut() implements CoordinatorCommand.Internal {}

    /** The worker's actor is gone. */
    private record WorkerGone() implements CoordinatorCommand.Internal {}

    private final String runConf;
    private final MetricsSettings metricsSettings;
    private final RunDirectory directory;
    private final ActorRef<FeederCommand> feeder;
    private final ActorRef<RunEvent> listener;
    private final TimerScheduler<CoordinatorCommand> timers;
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
                        m -> hear(new RunSignal.ShardReady(m.generation(), m.step())))
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
                        m -> hear(new RunSignal.FeedFailed(m.generation(), m.fault())))
                .onMessage(CoordinatorCommand.StopRun.class, m -> hear(new RunSignal.StopRequested(m.reason())))
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
                        data.rowsSkipped(),
                        data.evaluationExamples(),
                        data.tokenIds(),
                        data.digest())));
    }

    private Behavior<CoordinatorCommand> onPostStop() {
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
                } catch (FaultException e) {
                    failure = Optional.of(e.fault());
                } catch (RuntimeException e) {
                    failure = Optional.of(bug(e));
                }
            }
        }
        return failure.isPresent() ? failure.map(RunSignal.EffectFailed::new) : answer;
    }

    private Fault bug(RuntimeException e) {
        getContext().getLog().error("The coordinator failed while the run waited for {}", state.awaited(), e);
        return new Fault(FaultCode.INTERNAL, "the coordinator failed: " + e);
    }

    /** What an effect gives rise to at once, if anything. */
    private Optional<RunSignal> carryOut(Effect effect) {
        if (effect instanceof Effect.ClaimGeneration) {
            return Optional.of(claimGeneration());
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
            String folder =
                    directory.beginCheckpoint(write.step(), write.generation()).toString();
            worker().tell(new WorkerCommand.WriteShard(write.generation(), write.step(), folder));
        } else if (effect instanceof Effect.Export export) {
            directory.discardExport();
            String folder = directory.exportFolder().toString();
            worker().tell(new WorkerCommand.ExportModel(export.generation(), export.step(), folder));
        } else {
            throw new IllegalStateException("nobody carries out " + effect);
        }
        return Optional.empty();
    }

    private RunSignal claimGeneration() {
        long generation = directory.claimGeneration(workerName);
        Checkpoints.Found found = directory.checkpoints().newestWhole();
        found.defects().forEach(defect -> getContext().getLog().warn("Checkpoint passed over: {}", defect));
        Optional<ResumePoint> resume = found.checkpoint()
                .map(checkpoint -> new ResumePoint(
                        checkpoint.folder().toString(),
                        checkpoint.step(),
                        checkpoint.manifest().getSkippedInARow(),
                        directory.dataDigest(),
                        directory.configDigest()));
        return new RunSignal.GenerationClaimed(generation, resume, directory.exported());
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
        Checkpoint checkpoint = directory.commit(CheckpointManifest.newBuilder()
                .setFormatVersion(Checkpoint.FORMAT_VERSION)
                .setGeneration(commit.generation())
                .setStep(commit.step())
                .setSkippedInARow(commit.skippedInARow())
                .setWorldSize(commit.files().size())
                .setChoraleVersion(ReleaseVersion.read())
                .addAllFiles(commit.files())
                .build());
        directory.prune(checkpoint, state.terms().checkpoint().keep());
        CheckpointCommitted event = CheckpointCommitted.newBuilder()
                .setStep(commit.step())
                .setPath(checkpoint.folder().toString())
                .setBytes(checkpoint.bytes())
                .build();
        listener.tell(RunEvent.newBuilder().setCheckpoint(event).build());
        return new RunSignal.Committed(commit.generation(), commit.step());
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
        listener.tell(RunEvent.newBuilder().setEnded(ended).build());
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
