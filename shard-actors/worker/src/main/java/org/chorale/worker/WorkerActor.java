// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.EnumMap;
import java.util.Map;
import java.util.Optional;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.ChildFailed;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.apache.pekko.actor.typed.javadsl.TimerScheduler;
import org.chorale.proto.batch.Feed;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultKind;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.CoordinatorCommand.FeedFailed;
import org.chorale.proto.message.CoordinatorCommand.StillWorking;
import org.chorale.proto.message.CoordinatorCommand.WorkerFailed;
import org.chorale.proto.message.CoordinatorCommand.WorkerJoined;
import org.chorale.proto.message.FeederCommand;
import org.chorale.proto.message.FeederCommand.Credit;
import org.chorale.proto.message.FeederCommand.OpenFeed;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.proto.pulse.Pulse;
import org.chorale.tensor.NativeFlags;
import org.chorale.training.pipeline.LocalComponents;
import org.jspecify.annotations.Nullable;

/**
 * Speaks for a shard that is deaf while it computes: passes orders on, keeps batches coming, and tells the coordinator
 * that the shard is at work, or that it has failed. It never blocks.
 */
public final class WorkerActor extends AbstractBehavior<WorkerCommand> {
    /** Batches that a shard holds besides the one in hand: one is enough to never wait for a message's way. */
    private static final int BATCHES_AHEAD = 2;

    private enum Tick implements WorkerCommand.Internal {
        /** See whether the shard works. */
        FEEL_PULSE
    }

    private final ActorRef<CoordinatorCommand> coordinator;
    private final TimerScheduler<WorkerCommand> timers;
    private final ActorRef<ShardCommand> shard;
    private final Map<Feed, Long> openedAt = new EnumMap<>(Feed.class); // the feed's generation
    private @Nullable ActorRef<FeederCommand> feeder;
    private @Nullable Pulse pulse;
    private long measured; // examples of the evaluation in hand
    private long generation;
    private int rank;
    private int worldSize = 1;
    private long fedUntil; // the step that the training feed's next batch follows, as the coordinator knows it

    private WorkerActor(
            ActorContext<WorkerCommand> context,
            TimerScheduler<WorkerCommand> timers,
            ActorRef<CoordinatorCommand> coordinator,
            LocalComponents local) {
        super(context);
        this.timers = timers;
        this.coordinator = coordinator;
        this.shard =
                context.spawn(ShardActor.create(coordinator, context.getSelf(), local), "shard", ShardActor.DISPATCHER);
        context.watch(shard);
        NativeFlags.missing(System.getProperties())
                .forEach(flag -> context.getLog().warn("this JVM was started without {}: see NativeFlags", flag));
        coordinator.tell(new WorkerJoined(context.getSelf(), hostName(), device()));
    }

    /** A worker that announces itself to its coordinator. */
    public static Behavior<WorkerCommand> create(ActorRef<CoordinatorCommand> coordinator) {
        return create(coordinator, LocalComponents.none());
    }

    /** The same, in a process that has made components of its own. */
    public static Behavior<WorkerCommand> create(ActorRef<CoordinatorCommand> coordinator, LocalComponents local) {
        return Behaviors.setup(
                context -> Behaviors.withTimers(timers -> new WorkerActor(context, timers, coordinator, local)));
    }

    @Override
    public Receive<WorkerCommand> createReceive() {
        return newReceiveBuilder()
                .onMessage(WorkerCommand.DescribeModel.class, this::onDescribeModel)
                .onMessage(WorkerCommand.TakeShard.class, this::onTakeShard)
                .onMessage(WorkerCommand.RunSteps.class, this::onRunSteps)
                .onMessage(WorkerCommand.StopSpan.class, this::onStopSpan)
                .onMessage(WorkerCommand.Evaluate.class, this::onEvaluate)
                .onMessage(WorkerCommand.WriteShard.class, this::onWriteShard)
                .onMessage(WorkerCommand.ExportModel.class, this::onExportModel)
                .onMessage(WorkerCommand.BatchReady.class, this::onBatchReady)
                .onMessage(ShardActor.BatchTaken.class, this::onBatchTaken)
                .onMessage(ShardActor.Began.class, this::onShardBegan)
                .onMessage(ShardActor.Measured.class, this::onMeasured)
                .onMessage(Tick.class, tick -> onFeelPulse())
                .onMessage(WorkerCommand.FeedBroken.class, this::onFeedBroken)
                .onSignal(ChildFailed.class, this::onShardFailed)
                .build();
    }

    private Behavior<WorkerCommand> onDescribeModel(WorkerCommand.DescribeModel order) {
        generation = Math.max(generation, order.generation());
        timers.startTimerWithFixedDelay(Tick.FEEL_PULSE, Pulse.interval(order.runConf()));
        shard.tell(new ShardCommand.Describe(order.generation(), order.runConf()));
        return this;
    }

    private Behavior<WorkerCommand> onTakeShard(WorkerCommand.TakeShard order) {
        if (order.generation() < generation) {
            return this;
        }
        generation = order.generation();
        rank = order.rank();
        worldSize = order.plan().getWorldSize();
        feeder = order.feeder();
        openedAt.clear();
        shard.tell(new ShardCommand.Load(
                generation,
                rank,
                PlanTranslation.layout(order.plan(), rank, PlanTranslation.precision(order.runConf())),
                order.runConf(),
                order.checkpoint(),
                order.totalSteps()));
        return this;
    }

    private Behavior<WorkerCommand> onRunSteps(WorkerCommand.RunSteps order) {
        if (order.generation() != generation) {
            return this;
        }
        boolean flows = openedAt.getOrDefault(Feed.TRAIN, -1L) == generation && fedUntil == order.from();
        if (!flows) {
            open(Feed.TRAIN, order.from());
        }
        fedUntil = order.until();
        shard.tell(new ShardCommand.Run(order.from(), order.until()));
        return this;
    }

    private Behavior<WorkerCommand> onStopSpan(WorkerCommand.StopSpan order) {
        if (order.generation() == generation) {
            shard.tell(new ShardCommand.EndSpan());
        }
        return this;
    }

    private Behavior<WorkerCommand> onEvaluate(WorkerCommand.Evaluate order) {
        if (order.generation() == generation) {
            measured = 0;
            shard.tell(new ShardCommand.Evaluate(order.step()));
            open(Feed.EVALUATION, 0);
        }
        return this;
    }

    private Behavior<WorkerCommand> onWriteShard(WorkerCommand.WriteShard order) {
        if (order.generation() == generation) {
            shard.tell(new ShardCommand.Write(order.step(), order.folder()));
        }
        return this;
    }

    private Behavior<WorkerCommand> onExportModel(WorkerCommand.ExportModel order) {
        if (order.generation() == generation) {
            shard.tell(new ShardCommand.Export(order.step(), order.folder()));
        }
        return this;
    }

    private Behavior<WorkerCommand> onBatchReady(WorkerCommand.BatchReady ready) {
        if (ready.generation() == generation) {
            shard.tell(new ShardCommand.Batch(ready.batch()));
        }
        return this;
    }

    private Behavior<WorkerCommand> onBatchTaken(ShardActor.BatchTaken taken) {
        ActorRef<FeederCommand> source = feeder;
        if (source != null) {
            source.tell(new Credit(generation, taken.feed(), rank, 1));
        }
        return this;
    }

    private Behavior<WorkerCommand> onShardBegan(ShardActor.Began began) {
        pulse = Pulse.of(began.thread());
        return this;
    }

    private Behavior<WorkerCommand> onMeasured(ShardActor.Measured soFar) {
        measured = soFar.examples();
        return this;
    }

    /** A shard that loads, writes or computes for long is deaf, but it has a pulse. */
    private Behavior<WorkerCommand> onFeelPulse() {
        Pulse felt = pulse;
        if (felt != null && felt.beats()) {
            coordinator.tell(new StillWorking(generation, measured));
        }
        return this;
    }

    /** A fault of the feed and not of this worker: the coordinator knows whether the run still needs data. */
    private Behavior<WorkerCommand> onFeedBroken(WorkerCommand.FeedBroken broken) {
        if (broken.generation() == generation) {
            coordinator.tell(new FeedFailed(generation, Optional.of(broken.feed()), broken.fault()));
        }
        return this;
    }

    private Behavior<WorkerCommand> onShardFailed(ChildFailed failure) {
        Fault fault = FaultTranslation.of(failure.cause());
        if (fault.code().kind() == FaultKind.USER) {
            getContext().getLog().debug("the shard has refused its input", failure.cause());
        } else {
            getContext().getLog().error("the shard has failed", failure.cause());
        }
        fail(fault);
        return Behaviors.stopped();
    }

    private void open(Feed feed, long afterStep) {
        ActorRef<FeederCommand> source = feeder;
        if (source == null) {
            throw new IllegalStateException("told to work before being told to take a shard");
        }
        openedAt.put(feed, generation);
        source.tell(new OpenFeed(
                generation, feed, rank, worldSize, afterStep, getContext().getSelf()));
        source.tell(new Credit(generation, feed, rank, BATCHES_AHEAD));
    }

    private void fail(Fault fault) {
        coordinator.tell(new WorkerFailed(generation, rank, fault));
    }

    /** With the threads of its matrix products, which decide the order of sums and so the last bits. */
    private static String device() {
        String threads = System.getenv("OMP_NUM_THREADS");
        return "cpu, OMP_NUM_THREADS " + (threads == null ? "not set" : threads);
    }

    private static String hostName() {
        try {
            return InetAddress.getLocalHost().getHostName();
        } catch (UnknownHostException e) {
            return "localhost"; // a name for people; nothing connects to it
        }
    }
}
