// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

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
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.fault.FaultKind;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.CoordinatorCommand.Abandoned;
import org.chorale.proto.message.CoordinatorCommand.StillWorking;
import org.chorale.proto.message.CoordinatorCommand.WorkerFailed;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.tensor.NativeFlags;
import org.chorale.tensor.device.Device;
import org.chorale.training.pipeline.LocalComponents;

/**
 * Speaks for a shard that is deaf while it computes: passes orders on, pulls batches for it, tells the coordinator that it
 * is at work or has failed, and ends what it does when the generation is given up. It never blocks.
 */
public final class WorkerActor extends AbstractBehavior<WorkerCommand> {
    private enum Tick implements WorkerCommand.Internal {
        /** See whether the shard works. */
        FEEL_PULSE
    }

    private final WorkerPlace place;
    private final ActorRef<CoordinatorCommand> coordinator;
    private final LocalComponents local;
    private final Function<Device, Optional<DeviceLink>> links;
    private final Consumer<Fault> whenLost;
    private final TimerScheduler<WorkerCommand> timers;
    private final Intakes intakes;
    private final ShardPulse pulse = new ShardPulse();

    private ActorRef<ShardCommand> shard;
    private Cancellation cancellation = new Cancellation();
    private Tenure tenure = Tenure.NONE;
    private DeviceMeeting devices; // of its generation
    private Duration leaving = Duration.ZERO; // what it took the shard before to end
    private long measured; // examples of the evaluation in hand

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
        this.intakes = new Intakes(context);
        this.devices = new DeviceMeeting(links, key -> {});
        this.shard = spawnShard();
        NativeFlags.missing(System.getProperties())
                .forEach(flag -> context.getLog().warn("this JVM was started without {}: see NativeFlags", flag));
        coordinator.tell(place.joinedBy(context.getSelf()));
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
                .onMessage(Intakes.Pulled.class, this::onPulled)
                .onMessage(Intakes.Broke.class, this::onFeedBroke)
                .onMessage(ShardActor.BatchTaken.class, this::onBatchTaken)
                .onMessage(ShardActor.Began.class, this::onShardBegan)
                .onMessage(ShardActor.Measured.class, this::onMeasured)
                .onMessage(Tick.class, tick -> onFeelPulse())
                .onSignal(ChildFailed.class, this::onShardFailed)
                .onSignal(Terminated.class, ended -> onShardEnded())
                .build();
    }

    private Behavior<WorkerCommand> onDescribeModel(WorkerCommand.DescribeModel order) {
        tenure = tenure.hears(order);
        keepFeelingPulse(order.runConf());
        if (!tenure.isLeaving()) {
            describe(order);
        }
        return this;
    }

    private Behavior<WorkerCommand> onTakeShard(WorkerCommand.TakeShard order) {
        if (tenure.isStale(order)) {
            return this;
        }
        tenure = tenure.takes(order);
        devices = new DeviceMeeting(
                links, key -> coordinator.tell(new CoordinatorCommand.GroupKeyMade(order.generation(), key)));
        keepFeelingPulse(order.runConf());
        if (tenure.isFresh()) {
            load(order);
        } else {
            sendShardAway();
        }
        return this;
    }

    /** The shard waits for it, or will once one before it has ended. */
    private Behavior<WorkerCommand> onJoinGroup(WorkerCommand.JoinGroup invitation) {
        tenure.taken()
                .filter(order -> order.generation() == invitation.generation())
                .ifPresent(order -> devices.bring(invitation.key()));
        return this;
    }

    private Behavior<WorkerCommand> onRunSteps(WorkerCommand.RunSteps order) {
        tenure.serving(order.generation()).ifPresent(taken -> {
            long intake = intakes.forSpan(taken, order.from(), order.until());
            shard.tell(new ShardCommand.Run(order.from(), order.until(), intake));
        });
        return this;
    }

    private Behavior<WorkerCommand> onStopSpan(WorkerCommand.StopSpan order) {
        if (isServing(order.generation())) {
            shard.tell(new ShardCommand.EndSpan());
        }
        return this;
    }

    private Behavior<WorkerCommand> onEvaluate(WorkerCommand.Evaluate order) {
        tenure.serving(order.generation()).ifPresent(taken -> {
            measured = 0;
            shard.tell(new ShardCommand.Evaluate(order.step()));
            intakes.forEvaluation(taken);
        });
        return this;
    }

    private Behavior<WorkerCommand> onWriteShard(WorkerCommand.WriteShard order) {
        if (isServing(order.generation())) {
            shard.tell(new ShardCommand.Write(order.step(), order.folder()));
        }
        return this;
    }

    private Behavior<WorkerCommand> onExportModel(WorkerCommand.ExportModel order) {
        if (isServing(order.generation())) {
            shard.tell(new ShardCommand.Export(order.step(), order.checkpoint(), order.folder()));
        }
        return this;
    }

    private Behavior<WorkerCommand> onAbandon(WorkerCommand.Abandon order) {
        if (tenure.isStale(order)) {
            return this;
        }
        tenure = tenure.abandons(order);
        if (tenure.isFresh()) {
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
        intakes.flow(opened);
        return this;
    }

    private Behavior<WorkerCommand> onFeedRefused(WorkerCommand.FeedRefused refused) {
        if (intakes.has(refused.number())) {
            shard.tell(new ShardCommand.FeedBroken(refused.feed(), refused.number(), refused.fault()));
        }
        return this;
    }

    private Behavior<WorkerCommand> onPulled(Intakes.Pulled pulled) {
        intakes.passedOn(pulled).ifPresent(shard::tell);
        return this;
    }

    /**
     * Where the data is at fault, the shard tells of it once it needs what is missing. Where the stream broke off, this
     * worker waits to be told what comes next, as if another rank were gone.
     */
    private Behavior<WorkerCommand> onFeedBroke(Intakes.Broke broke) {
        FeedIntake feed = broke.from();
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
        intakes.taken(taken.intake());
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
            coordinator.tell(new StillWorking(tenure.generation(), measured));
        }
        return tenure.isLeaving() ? onWaitForLeaving() : this;
    }

    private Behavior<WorkerCommand> onWaitForLeaving() {
        Optional<Duration> deaf = pulse.deafFor();
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
        if (tenure.isLeaving()) {
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
        Tenure before = tenure;
        leaving = before.isLeaving() ? pulse.sinceToldToLeave() : Duration.ZERO;
        intakes.close();
        cancellation = new Cancellation();
        shard = spawnShard();
        tenure = before.renewed();
        if (before.owesAbandoned()) {
            tellAbandoned();
        }
        before.asked().ifPresent(this::describe);
        before.next().ifPresent(this::load);
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
        tenure = tenure.loading();
        shard.tell(new ShardCommand.Load(order, place, devices, leaving));
    }

    private void sendShardAway() {
        intakes.close();
        if (!tenure.isLeaving()) {
            tenure = tenure.leaving();
            pulse.toldToLeave();
            shard.tell(new ShardCommand.Leave());
            cancellation.cancel();
        }
    }

    private void tellAbandoned() {
        coordinator.tell(new Abandoned(tenure.generation(), place.worker(), place.incarnation()));
    }

    private boolean isServing(long generation) {
        return tenure.serving(generation).isPresent();
    }

    private void keepFeelingPulse(String runConf) {
        timers.startTimerWithFixedDelay(Tick.FEEL_PULSE, pulse.expect(runConf));
    }

    private void fail(Fault fault) {
        coordinator.tell(new WorkerFailed(tenure.generation(), tenure.rank(), fault));
    }
}
