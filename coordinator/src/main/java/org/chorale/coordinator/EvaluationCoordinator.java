// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator;

import java.time.Duration;
import java.util.Objects;
import java.util.Optional;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.apache.pekko.actor.typed.javadsl.TimerScheduler;
import org.chorale.coordinator.plan.Fitness;
import org.chorale.coordinator.plan.RunTerms;
import org.chorale.coordinator.plan.ShardPlanner;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.CoordinatorCommand.DataDescribed;
import org.chorale.proto.message.CoordinatorCommand.Evaluated;
import org.chorale.proto.message.CoordinatorCommand.FeedFailed;
import org.chorale.proto.message.CoordinatorCommand.FeederJoined;
import org.chorale.proto.message.CoordinatorCommand.FeederLost;
import org.chorale.proto.message.CoordinatorCommand.ModelDescribed;
import org.chorale.proto.message.CoordinatorCommand.ShardReady;
import org.chorale.proto.message.CoordinatorCommand.StopRun;
import org.chorale.proto.message.CoordinatorCommand.WorkerFailed;
import org.chorale.proto.message.CoordinatorCommand.WorkerJoined;
import org.chorale.proto.message.CoordinatorCommand.WorkerLost;
import org.chorale.proto.message.CoordinatorCommand.WorkerUnavailable;
import org.chorale.proto.message.FeederCommand;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.proto.wire.ModelOutline;
import org.chorale.proto.wire.RunEnded;
import org.chorale.proto.wire.RunEnded.Outcome;
import org.chorale.proto.wire.RunEvent;
import org.chorale.proto.wire.StillWorking;
import org.jspecify.annotations.Nullable;

/**
 * Has a model measured once on the held-out examples, by the worker and the feeder that a run has, and ends. Nothing is
 * trained, so that the worker keeps weights only; nothing is written, so that whatever fails ends it.
 */
public final class EvaluationCoordinator extends AbstractBehavior<CoordinatorCommand> {
    private static final long GENERATION = 1; // there is no second
    private static final int RANK = 0; // of the only worker
    private static final int FEEDER = 0; // the only one
    private static final int STEP = 0;

    /** Nobody was heard for {@code run.progress-timeout}. */
    private record ProgressTimedOut() implements CoordinatorCommand.Internal {}

    /** The worker's actor is gone. */
    private record WorkerGone() implements CoordinatorCommand.Internal {}

    private final String runConf;
    private final RunTerms terms;
    private final ActorRef<RunEvent> listener;
    private final TimerScheduler<CoordinatorCommand> timers;
    private @Nullable ActorRef<WorkerCommand> worker;
    private @Nullable ActorRef<FeederCommand> feeder;
    private @Nullable ModelOutline model;
    private @Nullable DataDescribed data;
    private String awaited = "a worker and a feeder to join";

    private EvaluationCoordinator(
            ActorContext<CoordinatorCommand> context,
            TimerScheduler<CoordinatorCommand> timers,
            RunTerms terms,
            String runConf,
            ActorRef<RunEvent> listener) {
        super(context);
        this.timers = timers;
        this.terms = terms;
        this.runConf = runConf;
        this.listener = listener;
        await("a worker and a feeder to join");
    }

    /**
     * A coordinator that waits for a worker and a feeder to join.
     *
     * @param runConf the configuration as resolved, in HOCON
     * @param listener told how far it is, the evaluation, and how it ended
     * @throws FaultException CONFIG_INVALID, with every problem
     */
    public static Behavior<CoordinatorCommand> create(String runConf, ActorRef<RunEvent> listener) {
        RunTerms terms = RunTerms.read(runConf);
        return Behaviors.setup(context ->
                Behaviors.withTimers(timers -> new EvaluationCoordinator(context, timers, terms, runConf, listener)));
    }

    @Override
    public Receive<CoordinatorCommand> createReceive() {
        return newReceiveBuilder()
                .onMessage(WorkerJoined.class, this::onWorkerJoined)
                .onMessage(FeederJoined.class, this::onFeederJoined)
                .onMessage(ModelDescribed.class, this::onModelDescribed)
                .onMessage(DataDescribed.class, this::onDataDescribed)
                .onMessage(ShardReady.class, this::onShardReady)
                .onMessage(CoordinatorCommand.StillWorking.class, this::onStillWorking)
                .onMessage(Evaluated.class, this::onEvaluated)
                .onMessage(WorkerFailed.class, failed -> fail(failed.fault()))
                .onMessage(FeedFailed.class, failed -> fail(failed.fault()))
                .onMessage(WorkerUnavailable.class, unavailable -> fail(unavailable.fault()))
                .onMessage(WorkerLost.class, lost -> fail(FaultCode.WORKER_LOST, "the worker ended"))
                .onMessage(WorkerGone.class, gone -> fail(FaultCode.WORKER_LOST, "the worker ended"))
                .onMessage(FeederLost.class, lost -> fail(FaultCode.FEEDER_LOST, "the feeder ended"))
                .onMessage(ProgressTimedOut.class, silence -> fail(FaultCode.TIMED_OUT, "nothing was heard"))
                .onMessage(StopRun.class, stop -> end(Outcome.STOPPED, Optional.empty(), stop.reason()))
                .onAnyMessage(other -> fail(FaultCode.INTERNAL, other + " was heard"))
                .build();
    }

    private Behavior<CoordinatorCommand> onWorkerJoined(WorkerJoined joined) {
        worker = joined.ref();
        getContext().watchWith(joined.ref(), new WorkerGone());
        return describeOnceBothAreThere();
    }

    private Behavior<CoordinatorCommand> onFeederJoined(FeederJoined joined) {
        feeder = joined.ref();
        return describeOnceBothAreThere();
    }

    private Behavior<CoordinatorCommand> describeOnceBothAreThere() {
        if (worker == null || feeder == null) {
            return await(worker == null ? "a worker to join" : "a feeder to join");
        }
        ActorRef<CoordinatorCommand> self = getContext().getSelf();
        worker.tell(new WorkerCommand.DescribeModel(GENERATION, runConf, self));
        feeder.tell(new FeederCommand.DescribeData(GENERATION, FEEDER, runConf, self));
        return await("the outline of the model and the description of the data");
    }

    private Behavior<CoordinatorCommand> onModelDescribed(ModelDescribed described) {
        model = described.outline();
        return loadOnceBothAreKnown();
    }

    private Behavior<CoordinatorCommand> onDataDescribed(DataDescribed described) {
        data = described;
        return loadOnceBothAreKnown();
    }

    private Behavior<CoordinatorCommand> loadOnceBothAreKnown() {
        ModelOutline outline = model;
        DataDescribed described = data;
        if (outline == null || described == null) {
            return await(outline == null ? "the outline of the model" : "the description of the data");
        }
        Optional<Fault> misfit = Fitness.misfit(terms, outline, described.evaluationExamples(), described.tokenIds());
        if (misfit.isPresent()) {
            return fail(misfit.get());
        }
        worker().tell(new WorkerCommand.TakeShard(
                GENERATION,
                RANK,
                ShardPlanner.measured(outline),
                runConf,
                Optional.empty(),
                1,
                terms.run().dir().toString(), // the only rank has nobody to meet there
                Objects.requireNonNull(feeder, "no feeder has joined"),
                getContext().getSelf()));
        return await("the model to be loaded");
    }

    private Behavior<CoordinatorCommand> onShardReady(ShardReady ready) {
        worker().tell(new WorkerCommand.Evaluate(GENERATION, STEP));
        return await("the evaluation");
    }

    private Behavior<CoordinatorCommand> onStillWorking(CoordinatorCommand.StillWorking working) {
        DataDescribed described = data;
        StillWorking event = StillWorking.newBuilder()
                .setAwaited(awaited)
                .setDone(working.done())
                .setTotal(working.done() == 0 || described == null ? 0 : described.evaluationExamples())
                .build();
        listener.tell(RunEvent.newBuilder().setWorking(event).build());
        return await(awaited);
    }

    private Behavior<CoordinatorCommand> onEvaluated(Evaluated evaluated) {
        listener.tell(RunEvent.newBuilder().setEvaluation(evaluated.report()).build());
        return end(Outcome.FINISHED, Optional.empty(), "the model was measured");
    }

    private Behavior<CoordinatorCommand> fail(FaultCode code, String what) {
        return fail(new Fault(code, what + " while the evaluation waited for " + awaited));
    }

    private Behavior<CoordinatorCommand> fail(Fault fault) {
        return end(Outcome.FAILED, Optional.of(fault.code()), fault.message());
    }

    private Behavior<CoordinatorCommand> end(Outcome outcome, Optional<FaultCode> code, String message) {
        RunEnded ended = RunEnded.newBuilder()
                .setOutcome(outcome)
                .setFaultCode(code.map(Enum::name).orElse(""))
                .setMessage(message)
                .build();
        if (worker != null) {
            worker.tell(new WorkerCommand.Dismiss());
        }
        listener.tell(RunEvent.newBuilder().setEnded(ended).build());
        return Behaviors.stopped();
    }

    private Behavior<CoordinatorCommand> await(String what) {
        awaited = what;
        Duration timeout = terms.run().progressTimeout();
        timers.startSingleTimer(ProgressTimedOut.class, new ProgressTimedOut(), timeout);
        return this;
    }

    private ActorRef<WorkerCommand> worker() {
        return Objects.requireNonNull(worker, "no worker has joined");
    }
}
