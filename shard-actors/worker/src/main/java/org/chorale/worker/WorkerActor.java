// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.ChildFailed;
import org.apache.pekko.actor.typed.Terminated;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.apache.pekko.actor.typed.javadsl.TimerScheduler;
import org.apache.pekko.stream.Materializer;
import org.apache.pekko.stream.javadsl.Sink;
import org.chorale.proto.batch.Feed;
import org.chorale.proto.batch.StepBatch;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.fault.FaultKind;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.CoordinatorCommand.Abandoned;
import org.chorale.proto.message.CoordinatorCommand.StillWorking;
import org.chorale.proto.message.CoordinatorCommand.WorkerFailed;
import org.chorale.proto.message.CoordinatorCommand.WorkerJoined;
import org.chorale.proto.message.FeederCommand;
import org.chorale.proto.message.FeederCommand.OpenFeed;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.proto.pulse.Pulse;
import org.chorale.tensor.NativeFlags;
import org.chorale.tensor.device.Device;
import org.chorale.training.pipeline.LocalComponents;
import org.jspecify.annotations.Nullable;

/**
 * Speaks for a shard that is deaf while it computes: passes orders on, pulls batches for it, tells the coordinator that it
 * is at work or has failed, and ends what it does when the generation is given up. It never blocks.
 */
public final class WorkerActor extends AbstractBehavior<WorkerCommand> {
    private enum Tick implements WorkerCommand.Internal {
        /** See whether the shard works. */
        FEEL_PULSE
    }

    private record Pulled(FeedIntake from, Optional<StepBatch> batch) implements WorkerCommand.Internal {}

    private record FeedBroke(FeedIntake feed, Throwable failure) implements WorkerCommand.Internal {}

    /** How far the present shard actor is. */
    private enum ShardState {
        /** It has loaded nothing: it can take any shard. */
        FRESH,
        /** It belongs to a generation. */
        TAKEN,
        /** It was told to end; a fresh one follows. */
        LEAVING
    }

    private final WorkerPlace place;
    private final ActorRef<CoordinatorCommand> coordinator;
    private final LocalComponents local;
    private final Function<Device, Optional<DeviceLink>> links;
    private final Consumer<Fault> whenLost;
    private final TimerScheduler<WorkerCommand> timers;
    private final Materializer materializer;
    private final Intakes intakes = new Intakes();
    private final ShardPulse pulse = new ShardPulse();

    private ActorRef<ShardCommand> shard;
    private Cancellation cancellation = new Cancellation();
    private ShardState state = ShardState.FRESH;
    private WorkerCommand.@Nullable TakeShard taken; // the last that was taken, or waits for a fresh shard
    private WorkerCommand.@Nullable DescribeModel asked; // waits for a fresh shard
    private DeviceMeeting devices; // of its generation
    private boolean owesAbandoned;
    private long generation; // newest heard of
    private int rank = -1; // none yet
    private Duration leaving = Duration.ZERO; // what it took the shard before to end
    private long fedUntil; // the step that the training feed's next batch follows, as the coordinator knows it
    private long measured; // examples of the evaluation in hand
    private Duration patience = Duration.ZERO; // until run.progress-timeout is known

    private WorkerActor(
            ActorContext<WorkerCommand> context,
            TimerScheduler<WorkerCommand> timers,
            WorkerPlace place,
            ActorRef<CoordinatorCommand> coordinator,
            LocalComponents local,
            Function<Device, Optional<DeviceLink>> links,
            Optional<Consumer<Fault>> whenLost) {
        super(context);
        this.timers = timers;
        this.place = place;
        this.coordinator = coordinator;
        this.local = local;
        this.links = links;
        this.whenLost = whenLost.orElse(this::fail);
        this.materializer = Materializer.createMaterializer(context);
        this.devices = new DeviceMeeting(links, key -> {});
        this.shard = spawnShard();
        NativeFlags.missing(System.getProperties())
                .forEach(flag -> context.getLog().warn("this JVM was started without {}: see NativeFlags", flag));
        coordinator.tell(
                new WorkerJoined(place.worker(), place.incarnation(), hostName(), device(), context.getSelf()));
    }

    /**
     * A worker that announces itself to its coordinator, beside others in this JVM. A shard whose thread does not come
     * back from a native call fails the run.
     *
     * @param local components that only this process has
     */
    public static Behavior<WorkerCommand> create(
            WorkerPlace place, ActorRef<CoordinatorCommand> coordinator, LocalComponents local) {
        return create(place, coordinator, local, DeviceLink::ofShared, Optional.empty());
    }

    /**
     * A worker that has a process to itself.
     *
     * @param whenLost ends the process, which is replaced: the shard's thread does not come back from a native call, and
     *     nothing within a JVM can end it
     */
    public static Behavior<WorkerCommand> create(
            WorkerPlace place,
            ActorRef<CoordinatorCommand> coordinator,
            LocalComponents local,
            Consumer<Fault> whenLost) {
        return create(place, coordinator, local, DeviceLink::of, Optional.of(whenLost));
    }

    /** @param links how the ranks' devices form a group, by the device of this one */
    static Behavior<WorkerCommand> create(
            WorkerPlace place,
            ActorRef<CoordinatorCommand> coordinator,
            LocalComponents local,
            Function<Device, Optional<DeviceLink>> links,
            Optional<Consumer<Fault>> whenLost) {
        return Behaviors.setup(context -> Behaviors.withTimers(
                timers -> new WorkerActor(context, timers, place, coordinator, local, links, whenLost)));
    }

    @Override
    public Receive<WorkerCommand> createReceive() {
        return newReceiveBuilder()
                .onMessage(WorkerCommand.DescribeModel.class, this::onDescribeModel)
                .onMessage(WorkerCommand.TakeShard.class, this::onTakeShard)
                .onMessage(WorkerCommand.JoinGroup.class, this::onJoinGroup)
                .onMessage(WorkerCommand.RunSteps.class, this::onRunSteps)
                .onMessage(WorkerCommand.StopSpan.class, this::onStopSpan)
                .onMessage(WorkerCommand.Evaluate.class, this::onEvaluate)
                .onMessage(WorkerCommand.WriteShard.class, this::onWriteShard)
                .onMessage(WorkerCommand.ExportModel.class, this::onExportModel)
                .onMessage(WorkerCommand.Abandon.class, this::onAbandon)
                .onMessage(WorkerCommand.Dismiss.class, dismissal -> onDismiss())
                .onMessage(WorkerCommand.FeedOpened.class, this::onFeedOpened)
                .onMessage(WorkerCommand.FeedRefused.class, this::onFeedRefused)
                .onMessage(Pulled.class, this::onPulled)
                .onMessage(FeedBroke.class, this::onFeedBroke)
                .onMessage(ShardActor.BatchTaken.class, this::onBatchTaken)
                .onMessage(ShardActor.Began.class, this::onShardBegan)
                .onMessage(ShardActor.Measured.class, this::onMeasured)
                .onMessage(Tick.class, tick -> onFeelPulse())
                .onSignal(ChildFailed.class, this::onShardFailed)
                .onSignal(Terminated.class, ended -> onShardEnded())
                .build();
    }

    private Behavior<WorkerCommand> onDescribeModel(WorkerCommand.DescribeModel order) {
        generation = Math.max(generation, order.generation());
        keepFeelingPulse(order.runConf());
        if (state == ShardState.LEAVING) {
            asked = order; // what a leaving shard is asked is lost
        } else {
            describe(order);
        }
        return this;
    }

    private Behavior<WorkerCommand> onTakeShard(WorkerCommand.TakeShard order) {
        if (order.generation() < generation) {
            return this;
        }
        generation = order.generation();
        rank = order.rank();
        taken = order;
        devices = new DeviceMeeting(
                links, key -> coordinator.tell(new CoordinatorCommand.GroupKeyMade(order.generation(), key)));
        keepFeelingPulse(order.runConf());
        if (state == ShardState.FRESH) {
            load(order);
        } else {
            sendShardAway();
        }
        return this;
    }

    /** The shard waits for it, or will once one before it has ended. */
    private Behavior<WorkerCommand> onJoinGroup(WorkerCommand.JoinGroup invitation) {
        if (taken != null && taken.generation() == invitation.generation()) {
            devices.bring(invitation.key());
        }
        return this;
    }

    private Behavior<WorkerCommand> onRunSteps(WorkerCommand.RunSteps order) {
        if (!isCurrent(order.generation())) {
            return this;
        }
        FeedIntake flowing = intakes.of(Feed.TRAIN)
                .filter(open -> fedUntil == order.from())
                .orElseGet(() -> open(Feed.TRAIN, order.from()));
        fedUntil = order.until();
        shard.tell(new ShardCommand.Run(order.from(), order.until(), flowing.number()));
        return this;
    }

    private Behavior<WorkerCommand> onStopSpan(WorkerCommand.StopSpan order) {
        if (isCurrent(order.generation())) {
            shard.tell(new ShardCommand.EndSpan());
        }
        return this;
    }

    private Behavior<WorkerCommand> onEvaluate(WorkerCommand.Evaluate order) {
        if (isCurrent(order.generation())) {
            measured = 0;
            shard.tell(new ShardCommand.Evaluate(order.step()));
            open(Feed.EVALUATION, 0);
        }
        return this;
    }

    private Behavior<WorkerCommand> onWriteShard(WorkerCommand.WriteShard order) {
        if (isCurrent(order.generation())) {
            shard.tell(new ShardCommand.Write(order.step(), order.folder()));
        }
        return this;
    }

    private Behavior<WorkerCommand> onExportModel(WorkerCommand.ExportModel order) {
        if (isCurrent(order.generation())) {
            shard.tell(new ShardCommand.Export(order.step(), order.checkpoint(), order.folder()));
        }
        return this;
    }

    /** One that was repeated on its way must not end what has begun since. */
    private Behavior<WorkerCommand> onAbandon(WorkerCommand.Abandon order) {
        boolean stale = order.generation() < generation || (taken != null && taken.generation() >= order.generation());
        if (stale) {
            return this;
        }
        generation = order.generation();
        taken = null;
        owesAbandoned = true;
        if (state == ShardState.FRESH) {
            tellAbandoned();
        } else {
            sendShardAway();
        }
        return this;
    }

    /** The shard ends first, after the order in hand, which does not wait for other ranks any more. */
    private Behavior<WorkerCommand> onDismiss() {
        intakes.close();
        cancellation.cancel();
        return Behaviors.stopped();
    }

    private Behavior<WorkerCommand> onFeedOpened(WorkerCommand.FeedOpened opened) {
        Optional<FeedIntake> intake = intakes.numbered(opened.number());
        if (intake.isPresent()) {
            intake.get().open(opened.batches(), getContext().getSystem(), materializer);
            pull(intake.get());
        } else { // nobody will read it: it need not wait for that
            opened.batches().getSource().runWith(Sink.cancelled(), materializer);
        }
        return this;
    }

    private Behavior<WorkerCommand> onFeedRefused(WorkerCommand.FeedRefused refused) {
        if (intakes.numbered(refused.number()).isPresent()) {
            shard.tell(new ShardCommand.FeedBroken(refused.feed(), refused.number(), refused.fault()));
        }
        return this;
    }

    private Behavior<WorkerCommand> onPulled(Pulled pulled) {
        FeedIntake from = pulled.from();
        if (intakes.has(from) && pulled.batch().isPresent()) {
            shard.tell(from.passedOn(pulled.batch().get()));
            pull(from);
        }
        return this;
    }

    /**
     * Where the data is at fault, the shard tells of it once it needs what is missing. Where the stream broke off, this
     * worker waits to be told what comes next, as if another rank were gone.
     */
    private Behavior<WorkerCommand> onFeedBroke(FeedBroke broke) {
        FeedIntake feed = broke.feed();
        if (!intakes.has(feed)) {
            return this;
        }
        if (broke.failure() instanceof FaultException told) {
            shard.tell(new ShardCommand.FeedBroken(feed.feed(), feed.number(), told.fault()));
        } else {
            fail(new Fault(FaultCode.PEER_LOST, "the stream of batches from its feeder broke off: " + broke.failure()));
        }
        return this;
    }

    private Behavior<WorkerCommand> onBatchTaken(ShardActor.BatchTaken taken) {
        intakes.numbered(taken.intake()).ifPresent(intake -> {
            intake.taken();
            pull(intake);
        });
        return this;
    }

    private Behavior<WorkerCommand> onShardBegan(ShardActor.Began began) {
        pulse.follow(began.thread());
        return this;
    }

    private Behavior<WorkerCommand> onMeasured(ShardActor.Measured soFar) {
        measured = soFar.examples();
        return this;
    }

    /** A shard that loads, writes or computes for long is deaf, but it has a pulse. */
    private Behavior<WorkerCommand> onFeelPulse() {
        if (pulse.beats()) {
            coordinator.tell(new StillWorking(generation, measured));
        }
        return state == ShardState.LEAVING ? onWaitForLeaving() : this;
    }

    private Behavior<WorkerCommand> onWaitForLeaving() {
        Optional<Duration> deaf = pulse.deafFor(patience);
        if (deaf.isEmpty()) {
            return this;
        }
        Fault fault = new Fault(
                FaultCode.WORKER_LOST,
                "worker %s: its shard hangs in a native call, deaf for %d s to being told to end"
                        .formatted(place.worker(), deaf.get().toSeconds()));
        getContext().getLog().error("{}", fault.message());
        whenLost.accept(fault);
        return Behaviors.stopped();
    }

    /** Because a peer is gone, or because it was told to leave: then a fresh one takes its place. Else all ends. */
    private Behavior<WorkerCommand> onShardFailed(ChildFailed failure) {
        if (state == ShardState.LEAVING) {
            getContext().getLog().debug("the shard was cut short", failure.cause());
            return onShardEnded();
        }
        Fault fault = FaultTranslation.of(failure.cause());
        log(fault, failure.cause());
        fail(fault);
        return fault.code() == FaultCode.PEER_LOST ? onShardEnded() : Behaviors.stopped();
    }

    /** A cluster loses workers now and then; those that are left say so in a line, and whoever debugs gets the trace. */
    private void log(Fault fault, Throwable cause) {
        if (fault.code() == FaultCode.PEER_LOST) {
            getContext().getLog().warn("the shard waits for another generation: {}", fault.message());
            getContext().getLog().debug("where it was cut short", cause);
        } else if (fault.code().kind() == FaultKind.USER) {
            getContext().getLog().debug("the shard has refused its input", cause);
        } else {
            getContext().getLog().error("the shard has failed", cause);
        }
    }

    private Behavior<WorkerCommand> onShardEnded() {
        boolean replaced = state == ShardState.LEAVING;
        leaving = replaced ? pulse.sinceToldToLeave() : Duration.ZERO;
        intakes.close();
        cancellation = new Cancellation();
        shard = spawnShard();
        state = ShardState.FRESH;
        if (owesAbandoned) {
            tellAbandoned();
        }
        if (asked != null) {
            describe(asked);
            asked = null;
        }
        if (replaced && taken != null) {
            load(taken);
        }
        return this;
    }

    private ActorRef<ShardCommand> spawnShard() {
        ActorRef<ShardCommand> spawned = getContext()
                .spawnAnonymous(
                        ShardActor.create(coordinator, getContext().getSelf(), local, cancellation),
                        ShardActor.DISPATCHER);
        getContext().watch(spawned);
        return spawned;
    }

    private void describe(WorkerCommand.DescribeModel order) {
        shard.tell(new ShardCommand.Describe(order.generation(), order.runConf()));
    }

    private void load(WorkerCommand.TakeShard order) {
        state = ShardState.TAKEN;
        shard.tell(new ShardCommand.Load(order, place, devices, leaving));
    }

    private void sendShardAway() {
        intakes.close();
        if (state != ShardState.LEAVING) {
            state = ShardState.LEAVING;
            pulse.toldToLeave();
            shard.tell(new ShardCommand.Leave());
            cancellation.cancel();
        }
    }

    private void tellAbandoned() {
        owesAbandoned = false;
        coordinator.tell(new Abandoned(generation, place.worker(), place.incarnation()));
    }

    private boolean isCurrent(long orderGeneration) {
        return state == ShardState.TAKEN && taken != null && taken.generation() == orderGeneration;
    }

    private FeedIntake open(Feed feed, long afterStep) {
        WorkerCommand.TakeShard order = taken;
        if (order == null) {
            throw new IllegalStateException("told to work before being told to take a shard");
        }
        FeedIntake intake = intakes.open(feed);
        ActorRef<FeederCommand> feeder = order.feeder();
        feeder.tell(new OpenFeed(
                order.generation(),
                feed,
                intake.number(),
                rank,
                order.plan().getWorldSize(),
                afterStep,
                getContext().getSelf()));
        return intake;
    }

    private void pull(FeedIntake intake) {
        intake.pull()
                .ifPresent(next -> getContext()
                        .pipeToSelf(
                                next,
                                (batch, failure) ->
                                        failure == null ? new Pulled(intake, batch) : new FeedBroke(intake, failure)));
    }

    private void keepFeelingPulse(String runConf) {
        patience = ConfigReader.read(runConf, "run", Pulse.Patience.class).progressTimeout();
        timers.startTimerWithFixedDelay(Tick.FEEL_PULSE, Pulse.interval(patience));
    }

    private void fail(Fault fault) {
        coordinator.tell(new WorkerFailed(generation, rank, fault));
    }

    /** The threads of its matrix products decide the order of sums and so the last bits. */
    private static String device() {
        String threads = System.getenv("OMP_NUM_THREADS");
        return "OMP_NUM_THREADS " + (threads == null ? "not set" : threads);
    }

    private static String hostName() {
        try {
            return InetAddress.getLocalHost().getHostName();
        } catch (UnknownHostException e) {
            return "localhost"; // a name for people; nothing connects to it
        }
    }
}
