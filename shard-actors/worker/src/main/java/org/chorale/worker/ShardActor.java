// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
import java.util.function.ToIntFunction;
import java.util.stream.LongStream;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.DispatcherSelector;
import org.apache.pekko.actor.typed.PostStop;
import org.apache.pekko.actor.typed.SupervisorStrategy;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.apache.pekko.japi.function.Function;
import org.chorale.proto.batch.Feed;
import org.chorale.proto.batch.SourceCount;
import org.chorale.proto.batch.StepBatch;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.CoordinatorCommand.Evaluated;
import org.chorale.proto.message.CoordinatorCommand.FeedFailed;
import org.chorale.proto.message.CoordinatorCommand.ModelDescribed;
import org.chorale.proto.message.CoordinatorCommand.ModelExported;
import org.chorale.proto.message.CoordinatorCommand.ShardReady;
import org.chorale.proto.message.CoordinatorCommand.ShardWritten;
import org.chorale.proto.message.CoordinatorCommand.SpanDone;
import org.chorale.proto.message.CoordinatorCommand.StepDone;
import org.chorale.proto.message.ReportPieces;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.proto.wire.EvaluationReport;
import org.chorale.proto.wire.ModelOutline;
import org.chorale.proto.wire.SourceShare;
import org.chorale.proto.wire.StepReport;
import org.chorale.tensor.collective.CollectiveException;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.device.DeviceTimeoutException;
import org.chorale.training.Evaluation;
import org.chorale.training.PendingStep;
import org.chorale.training.StepResult;
import org.chorale.training.pipeline.LocalComponents;
import org.jspecify.annotations.Nullable;

/**
 * Owns one rank's parameters in one generation and runs its steps, one per message, so that a drain waits for two steps
 * at most; on a GPU for three. What ends a generation ends the actor.
 *
 * <p>On a GPU a step is read, and reported, after the next has begun, so that the device never waits for this thread; at
 * once where there is no batch for the next, and at a span's end. Ranks may read a step at different times. So what they
 * find in it counts at the same place for all: a step with which one of them wants to stop is followed by one more, and
 * one that {@linkplain PendingStep#needsOthers needs the other ranks} is not read before the next has begun.
 */
final class ShardActor extends AbstractBehavior<ShardCommand> {
    /** The thread of its own that a shard runs on; see reference.conf. */
    static final DispatcherSelector DISPATCHER = DispatcherSelector.fromConfig("chorale.shard-dispatcher");

    private enum Next implements ShardCommand.Internal {
        /** Run the step whose batch has arrived. */
        STEP,
        /** Read the step that has begun, unless the next one's batch has arrived meanwhile. */
        READ
    }

    /** A step that is not reported yet. */
    private record Begun(StepBatch batch, PendingStep pending) {}

    /**
     * Tells the worker that there is room for another batch.
     *
     * @param intake number of the feed that the batch came through
     */
    record BatchTaken(long intake) implements WorkerCommand.Internal {}

    /** Tells the worker which thread it is whose pulse says that the shard works. */
    record Began(Thread thread) implements WorkerCommand.Internal {}

    /** Tells the worker how many examples of an evaluation are measured. */
    record Measured(long examples) implements WorkerCommand.Internal {}

    private final ActorRef<CoordinatorCommand> coordinator;
    private final ActorRef<WorkerCommand> worker;
    private final LocalComponents local;
    private final Cancellation cancellation;
    private final ToIntFunction<Device> lateness;
    private final Deque<ShardCommand.Batch> batches = new ArrayDeque<>(); // at most FeedIntake.BATCHES_AHEAD
    private ShardCommand.@Nullable FeedBroken broken; // the training feed, after these batches
    private final Deque<Begun> unread = new ArrayDeque<>(); // at most stepsLate + 1
    private @Nullable LoadedShard shard;
    private @Nullable Evaluation evaluation;
    private long generation;
    private int rank;
    private int stepsLate; // that may begin before one is read
    private long step; // begun
    private long until; // of the span; equals step where none is running
    private boolean stepQueued;
    private boolean stopWanted; // in the span in hand
    private long evaluatedStep;
    private long evaluatedTokens;
    private long startedNanos; // of the step or evaluation in hand
    private long idleSinceNanos;
    private Optional<StepProfile> profile = Optional.empty();

    private ShardActor(
            ActorContext<ShardCommand> context,
            ActorRef<CoordinatorCommand> coordinator,
            ActorRef<WorkerCommand> worker,
            LocalComponents local,
            Cancellation cancellation,
            ToIntFunction<Device> lateness) {
        super(context);
        this.cancellation = cancellation;
        this.lateness = lateness;
        this.local = local;
        this.coordinator = coordinator;
        this.worker = worker;
        worker.tell(new Began(Thread.currentThread())); // its own for its whole life
    }

    /**
     * A shard that waits for its first order.
     *
     * @param local components that only this process has
     * @param cancellation by which the worker ends what this does, from its own thread
     */
    static Behavior<ShardCommand> create(
            ActorRef<CoordinatorCommand> coordinator,
            ActorRef<WorkerCommand> worker,
            LocalComponents local,
            Cancellation cancellation) {
        return create(coordinator, worker, local, cancellation, device -> device.isCuda() ? 1 : 0);
    }

    /** @param lateness how many steps a device is given before one is read, the same on all ranks */
    static Behavior<ShardCommand> create(
            ActorRef<CoordinatorCommand> coordinator,
            ActorRef<WorkerCommand> worker,
            LocalComponents local,
            Cancellation cancellation,
            ToIntFunction<Device> lateness) {
        Behavior<ShardCommand> shard =
                Behaviors.setup(context -> new ShardActor(context, coordinator, worker, local, cancellation, lateness));
        // The worker hears of a failure and reports it; Pekko need not print it as well.
        return Behaviors.supervise(shard).onFailure(SupervisorStrategy.stop().withLoggingEnabled(false));
    }

    @Override
    public Receive<ShardCommand> createReceive() {
        return newReceiveBuilder()
                .onMessage(ShardCommand.Describe.class, guarded(this::onDescribe))
                .onMessage(ShardCommand.Load.class, guarded(this::onLoad))
                .onMessage(ShardCommand.Run.class, guarded(this::onRun))
                .onMessage(ShardCommand.Batch.class, guarded(this::onBatch))
                .onMessage(ShardCommand.FeedBroken.class, guarded(this::onFeedBroken))
                .onMessage(Next.class, guarded(this::onNext))
                .onMessage(ShardCommand.EndSpan.class, order -> onEndSpan())
                .onMessage(ShardCommand.Leave.class, order -> Behaviors.stopped())
                .onMessage(ShardCommand.Evaluate.class, guarded(this::onEvaluate))
                .onMessage(ShardCommand.Write.class, guarded(this::onWrite))
                .onMessage(ShardCommand.Export.class, guarded(this::onExport))
                .onSignal(PostStop.class, signal -> onPostStop())
                .build();
    }

    private Behavior<ShardCommand> onDescribe(ShardCommand.Describe order) {
        try (RunModel model = RunModel.open(order.runConf(), local)) {
            ModelOutline outline = PlanTranslation.outline(model, PlanTranslation.precision(order.runConf()));
            coordinator.tell(new ModelDescribed(order.generation(), outline));
        }
        return this;
    }

    private Behavior<ShardCommand> onLoad(ShardCommand.Load order) {
        generation = order.order().generation();
        rank = order.order().rank();
        shard = LoadedShard.load(order, local, cancellation);
        stepsLate = lateness.applyAsInt(loaded().device());
        step = loaded().stepsDone();
        profile = StepProfile.of(order.order(), loaded().ranks(), loaded().device(), step);
        until = step;
        coordinator.tell(new ShardReady(generation, rank, step, loaded().checkpointBytes(), loaded().holding()));
        return this;
    }

    private Behavior<ShardCommand> onRun(ShardCommand.Run order) {
        step = order.from();
        until = order.until();
        stopWanted = false;
        batches.removeIf(batch -> batch.intake() != order.intake());
        broken = broken != null && broken.intake() == order.intake() ? broken : null;
        startedNanos = System.nanoTime();
        queueStep();
        return this;
    }

    private Behavior<ShardCommand> onBatch(ShardCommand.Batch arrived) {
        if (arrived.batch().feed() == Feed.EVALUATION) {
            return onEvaluationBatch(arrived);
        }
        batches.add(arrived);
        queueStep();
        return this;
    }

    /** Batches come ahead, so that the one that is missing may be one that no step needs. */
    private Behavior<ShardCommand> onFeedBroken(ShardCommand.FeedBroken news) {
        if (news.feed() == Feed.TRAIN) {
            broken = news;
            queueStep();
        } else if (evaluation != null) {
            coordinator.tell(new FeedFailed(generation, news.fault()));
        }
        return this;
    }

    private Behavior<ShardCommand> onNext(Next next) {
        if (next == Next.STEP) {
            beginStep();
        } else if (!stepQueued
                && !unread.isEmpty()
                && !unread.element().pending().needsOthers()) {
            read(unread.remove());
        }
        return this;
    }

    private void beginStep() {
        stepQueued = false;
        ShardCommand.Batch next = batches.remove();
        worker.tell(new BatchTaken(next.intake()));
        StepBatch batch = next.batch();
        if (batch.index() != step + 1) {
            throw new IllegalStateException(
                    "the batch of step %d came where step %d is due".formatted(batch.index(), step + 1));
        }
        unread.add(new Begun(batch, begun(next)));
        step = batch.index();
        while (unread.size() > stepsLate || (step == until && !unread.isEmpty())) {
            read(unread.remove());
        }
        if (step == until) {
            coordinator.tell(new SpanDone(generation, rank, step));
        }
        goOn();
    }

    private PendingStep begun(ShardCommand.Batch next) {
        long step = next.batch().index();
        profile.ifPresent(recorded -> recorded.beginning(next));
        long beganNanos = System.nanoTime();
        PendingStep pending = loaded().begin(next.batch(), stopWanted);
        profile.ifPresent(recorded -> recorded.begun(step, beganNanos));
        return pending;
    }

    /** Waits for a step, the oldest, and reports it. */
    private void read(Begun begun) {
        long readNanos = System.nanoTime();
        try (PendingStep pending = begun.pending()) {
            StepResult result = pending.await();
            ReportPieces.cut(report(begun.batch(), result))
                    .forEach(piece -> coordinator.tell(new StepDone(generation, rank, piece)));
            if (result.stop()) {
                until = Math.min(until, begun.batch().index() + stepsLate);
            }
        }
        profile.ifPresent(recorded -> {
            recorded.over(begun.batch().index(), readNanos);
            startedNanos = System.nanoTime(); // a timeline that is written takes no step's time
        });
    }

    /** All ranks must do the same steps: this one alone cannot end the span, but lets them know with the next step. */
    private Behavior<ShardCommand> onEndSpan() {
        stopWanted = true;
        return this;
    }

    private Behavior<ShardCommand> onEvaluate(ShardCommand.Evaluate order) {
        evaluation = loaded().evaluation();
        evaluatedStep = order.step();
        evaluatedTokens = 0;
        startedNanos = System.nanoTime();
        return this;
    }

    private Behavior<ShardCommand> onEvaluationBatch(ShardCommand.Batch arrived) {
        Evaluation running = evaluation;
        if (running == null) {
            throw new IllegalStateException("held-out examples came where nothing is measured");
        }
        worker.tell(new BatchTaken(arrived.intake()));
        StepBatch batch = arrived.batch();
        MicroBatches.of(batch).forEach(running::add);
        evaluatedTokens += batch.tokens();
        worker.tell(new Measured(running.examples()));
        if (batch.last()) {
            evaluation = null;
            loaded().finish(running);
            evaluatedTokens = loaded().sumOverRanks(evaluatedTokens);
            coordinator.tell(new Evaluated(generation, rank, report(running)));
        }
        return this;
    }

    private Behavior<ShardCommand> onWrite(ShardCommand.Write order) {
        LoadedShard writer = loaded();
        coordinator.tell(new ShardWritten(
                generation,
                rank,
                order.step(),
                PlanTranslation.file(rank, writer.fileName(), writer.write(Path.of(order.folder())))));
        return this;
    }

    private Behavior<ShardCommand> onExport(ShardCommand.Export order) {
        loaded().export(Path.of(order.checkpoint()), Path.of(order.folder()));
        coordinator.tell(new ModelExported(generation, order.step()));
        return this;
    }

    private Behavior<ShardCommand> onPostStop() {
        release();
        return this;
    }

    /** Where no batch comes for a step that is due, no rank can do it. */
    private void queueStep() {
        if (stepQueued || step == until) {
            return;
        } else if (!batches.isEmpty()) {
            stepQueued = true;
            getContext().getSelf().tell(Next.STEP);
        } else if (broken != null) {
            while (!unread.isEmpty() && !unread.element().pending().needsOthers()) {
                read(unread.remove()); // the steps before are told of first
            }
            coordinator.tell(new FeedFailed(generation, broken.fault()));
            broken = null; // told
        }
    }

    /** A step that is done does not wait for data; but a batch may be on its way in this actor's mailbox. */
    private void goOn() {
        queueStep();
        if (!stepQueued && !unread.isEmpty()) {
            getContext().getSelf().tell(Next.READ);
        }
    }

    /** Seconds count from when the step before was read, so that waiting for data shows. */
    private StepReport report(StepBatch batch, StepResult result) {
        return StepReport.newBuilder()
                .setStep(batch.index())
                .setEpoch(batch.epoch())
                .setLossNats(result.lossNats())
                .setGradNorm(result.gradNorm())
                .setLearningRate(loaded().learningRateAt(batch.index()))
                .setTokens(batch.tokens())
                .setTrainedTokens(result.trainedTokens())
                .setSeconds(secondsSinceStart())
                .addAllSamples(LongStream.of(batch.samples()).boxed().toList())
                .setSkipped(result.skipped())
                .setOverflow(result.overflow())
                .setLossScale(result.lossScale())
                .putAllMetrics(result.metrics())
                .setTokensCut(batch.tokensCut())
                .addAllSources(batch.sources().stream().map(ShardActor::wire).toList())
                .setPaddingTokens(batch.places() - batch.tokens())
                .setFlops(loaded().flops(batch))
                .setPeakFlopsPerSecond(loaded().peakFlopsPerSecond())
                .build();
    }

    private static SourceShare wire(SourceCount source) {
        return SourceShare.newBuilder()
                .setExamples(source.examples())
                .setTokens(source.tokens())
                .build();
    }

    private EvaluationReport report(Evaluation done) {
        return EvaluationReport.newBuilder()
                .setStep(evaluatedStep)
                .setExamples(done.examples())
                .setLossNats(done.lossNats())
                .setTokens(evaluatedTokens)
                .setTrainedTokens(done.trainedTokens())
                .setExact(done.exact())
                .setJudged(done.judged())
                .setSeconds(secondsSinceStart())
                .putAllMetrics(done.metrics())
                .build();
    }

    private double secondsSinceStart() {
        long now = System.nanoTime();
        double seconds = (now - startedNanos) / 1e9;
        startedNanos = now;
        return seconds;
    }

    private LoadedShard loaded() {
        LoadedShard held = shard;
        if (held == null) {
            throw new IllegalStateException("the shard was told to work before it was told to load");
        }
        return held;
    }

    private void release() {
        unread.forEach(begun -> begun.pending().close());
        unread.clear();
        profile.filter(StepProfile::isRecording)
                .ifPresent(cutShort -> getContext().getLog().warn("{}", cutShort.loss()));
        profile.ifPresent(StepProfile::close);
        profile = Optional.empty();
        LoadedShard held = shard;
        shard = null;
        if (held != null) {
            held.close();
        }
    }

    /**
     * Nothing is begun once the worker has given this up. Out of memory, or without libtorch, a JVM would end: as a fault
     * it ends the run and says what to change.
     */
    private <M> Function<M, Behavior<ShardCommand>> guarded(Function<M, Behavior<ShardCommand>> handler) {
        return message -> {
            if (cancellation.isCancelled()) {
                return Behaviors.stopped();
            }
            long startNanos = System.nanoTime();
            try {
                Behavior<ShardCommand> next = handler.apply(message);
                profile.ifPresent(recorded -> recorded.handled(message, idleSinceNanos, startNanos));
                idleSinceNanos = System.nanoTime();
                return next;
            } catch (CollectiveException | DeviceTimeoutException e) {
                throw withFlights(e);
            } catch (OutOfMemoryError | LinkageError e) {
                Fault fault = FaultTranslation.of(e);
                throw new FaultException(fault.code(), fault.message(), e);
            }
        };
    }

    private RuntimeException withFlights(RuntimeException late) {
        Optional<Path> file = shard == null ? Optional.empty() : shard.logFlights();
        if (file.isEmpty()) {
            return late;
        }
        getContext().getLog().warn("ranks have waited long for each other: {} says for what", file.get());
        Fault fault = FaultTranslation.of(late);
        String more = "; what rank %d did last together with others is in %s".formatted(rank, file.get());
        return new FaultException(fault.code(), fault.message() + more, late);
    }
}
