// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import org.apache.pekko.NotUsed;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.DispatcherSelector;
import org.apache.pekko.actor.typed.PostStop;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.apache.pekko.actor.typed.javadsl.TimerScheduler;
import org.apache.pekko.japi.Pair;
import org.apache.pekko.stream.KillSwitch;
import org.apache.pekko.stream.KillSwitches;
import org.apache.pekko.stream.Materializer;
import org.apache.pekko.stream.SourceRef;
import org.apache.pekko.stream.UniqueKillSwitch;
import org.apache.pekko.stream.javadsl.Keep;
import org.apache.pekko.stream.javadsl.Source;
import org.apache.pekko.util.ByteString;
import org.chorale.proto.batch.Feed;
import org.chorale.proto.batch.StepBatch;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.feed.BatchFraming;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.FeederCommand;
import org.chorale.proto.message.FeederCommand.DescribeData;
import org.chorale.proto.message.FeederCommand.OpenFeed;
import org.chorale.proto.message.WorkerCommand.FeedOpened;
import org.chorale.proto.message.WorkerCommand.FeedRefused;
import org.chorale.proto.pulse.Pulse;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Feeds ranks with batches: it opens the run's data when the coordinator asks what there is, and keeps a stream for every
 * rank and feed, which flows as the rank pulls. Stopping it stops the streams and closes the data.
 */
public final class FeederActor extends AbstractBehavior<FeederCommand> {
    private record DataOpened(
            DescribeData request,
            @Nullable RunData data,
            @Nullable Throwable failure) implements FeederCommand.Internal {}

    private enum Tick implements FeederCommand.Internal {
        /** See whether the data is being opened. */
        FEEL_PULSE
    }

    private record StreamKey(Feed feed, int rank) {}

    private static final Logger log = LoggerFactory.getLogger(FeederActor.class);
    private static final String DISPATCHER = "chorale.tokenize-dispatcher";
    private static final int MAX_PARALLELISM = 8; // threads of the dispatcher, at most

    private final Executor tokenizing;
    private final Materializer materializer;
    private final TimerScheduler<FeederCommand> timers;
    private final Pulse pulse = Pulse.ofThreadsNamed(DISPATCHER);
    private final Map<StreamKey, KillSwitch> streams = new HashMap<>(); // of the generation, ended ones included

    private long generation = Long.MIN_VALUE;
    private @Nullable ActorRef<CoordinatorCommand> coordinator;
    private @Nullable RunData data;
    private @Nullable BatchStream batchStream;
    private @Nullable DataOpening<RunData> opening;
    private @Nullable DescribeData next; // to be opened once what is being opened is there

    /** A feeder that knows nothing yet; {@link DescribeData} tells it the run. */
    public static Behavior<FeederCommand> create() {
        return Behaviors.setup(context -> Behaviors.withTimers(timers -> new FeederActor(context, timers)));
    }

    private FeederActor(ActorContext<FeederCommand> context, TimerScheduler<FeederCommand> timers) {
        super(context);
        this.timers = timers;
        tokenizing = context.getSystem().dispatchers().lookup(DispatcherSelector.fromConfig(DISPATCHER));
        materializer = Materializer.createMaterializer(context);
    }

    @Override
    public Receive<FeederCommand> createReceive() {
        return newReceiveBuilder()
                .onMessage(DescribeData.class, this::onDescribeData)
                .onMessage(DataOpened.class, this::onDataOpened)
                .onMessage(Tick.class, tick -> onFeelPulse())
                .onMessage(OpenFeed.class, this::onOpenFeed)
                .onSignal(PostStop.class, signal -> onPostStop())
                .build();
    }

    private Behavior<FeederCommand> onDescribeData(DescribeData request) {
        if (isStale(request.generation())) {
            return this;
        }
        coordinator = request.replyTo();
        if (opening == null) {
            openData(request);
        } else {
            next = request;
        }
        return this;
    }

    private Behavior<FeederCommand> onDataOpened(DataOpened opened) {
        opening = null;
        timers.cancel(Tick.FEEL_PULSE);
        DescribeData request = opened.request();
        if (next != null) { // whoever asked before has been replaced
            close(opened.data());
            openData(next);
            next = null;
        } else if (request.generation() < generation) {
            close(opened.data());
        } else if (opened.data() != null) {
            use(opened.data());
            request.replyTo().tell(opened.data().describe(request.generation(), request.feeder()));
        } else if (opened.failure() != null) {
            request.replyTo().tell(new CoordinatorCommand.FeedFailed(request.generation(), fault(opened.failure())));
        }
        return this;
    }

    /** To make an index may take hours, in which nothing else is heard of the feeder. */
    private Behavior<FeederCommand> onFeelPulse() {
        if (coordinator != null && pulse.beats()) {
            coordinator.tell(new CoordinatorCommand.StillWorking(generation, 0));
        }
        return this;
    }

    private Behavior<FeederCommand> onOpenFeed(OpenFeed request) {
        if (isStale(request.generation())) {
            return this;
        }
        StreamKey key = new StreamKey(request.feed(), request.rank());
        cancel(streams.remove(key));
        if (data == null || batchStream == null) {
            refuse(request, "the data has not been described before");
        } else if (request.feed() == Feed.EVALUATION && data.eval().isEmpty()) {
            refuse(request, "there are no held-out examples (data.eval)");
        } else {
            streams.put(key, start(request, batches(request, data, batchStream)));
        }
        return this;
    }

    private Behavior<FeederCommand> onPostStop() {
        cancelStreams();
        close(data);
        if (opening != null) { // nobody will receive it
            opening.giveUp();
            CompletableFuture<Void> unused = opening.result().thenAccept(FeederActor::close);
        }
        return this;
    }

    /** Whether a message belongs to a grouping of the past; one of a newer grouping ends the streams of the old. */
    private boolean isStale(long messageGeneration) {
        if (messageGeneration > generation) {
            generation = messageGeneration;
            cancelStreams();
        }
        return messageGeneration < generation;
    }

    /** Takes as long as an index takes to make, on another thread. */
    private void openData(DescribeData request) {
        DataOpening<RunData> begun = DataOpening.begin(() -> open(request.runConf()), tokenizing);
        opening = begun;
        timers.startTimerWithFixedDelay(Tick.FEEL_PULSE, Pulse.interval(request.runConf()));
        getContext().pipeToSelf(begun.result(), (opened, failure) -> new DataOpened(request, opened, failure));
    }

    private static RunData open(String runConf) {
        RunData opened = RunData.open(FeedSettings.read(runConf));
        try {
            DataOrigin.refuseOther(opened);
            return opened;
        } catch (RuntimeException e) {
            close(opened);
            throw e;
        }
    }

    private void use(RunData opened) {
        cancelStreams();
        close(data);
        data = opened;
        DataConfig config = opened.settings().data();
        batchStream = new BatchStream(
                config,
                opened.settings().preference().learning(),
                opened.tokenizer().pad(),
                tokenizing,
                Math.min(MAX_PARALLELISM, Runtime.getRuntime().availableProcessors()));
    }

    private static Source<StepBatch, NotUsed> batches(OpenFeed request, RunData data, BatchStream batches) {
        if (request.feed() == Feed.TRAIN) {
            return batches.training(
                    data.order(),
                    data.train()::read,
                    data.train().sources(),
                    request.afterStep(),
                    request.rank(),
                    request.worldSize());
        }
        Corpus eval = data.eval().orElseThrow();
        return batches.evaluation(eval.count(), eval::read, request.afterStep(), request.rank(), request.worldSize());
    }

    /** It ends with its consumer, when it is replaced, or when nobody begins to read it. */
    private KillSwitch start(OpenFeed request, Source<StepBatch, NotUsed> batches) {
        Pair<UniqueKillSwitch, SourceRef<ByteString>> running = BatchFraming.encode(
                        batches, FeederActor::fault, getContext().getSystem())
                .viaMat(KillSwitches.single(), Keep.right())
                .toMat(BatchFraming.forRank(), Keep.both())
                .run(materializer);
        request.consumer()
                .tell(new FeedOpened(request.generation(), request.feed(), request.number(), running.second()));
        return running.first();
    }

    private static void refuse(OpenFeed request, String why) {
        Fault fault = new Fault(FaultCode.INTERNAL, request.feed() + " was asked for, but " + why);
        request.consumer().tell(new FeedRefused(request.generation(), request.feed(), request.number(), fault));
    }

    private static Fault fault(Throwable failure) {
        Fault fault = DataFaults.of(failure);
        if (fault.code() == FaultCode.INTERNAL) {
            log.error("The feeder failed", failure);
        }
        return fault;
    }

    private void cancelStreams() {
        streams.values().forEach(FeederActor::cancel);
        streams.clear();
    }

    private static void cancel(@Nullable KillSwitch stream) {
        if (stream != null) {
            stream.shutdown();
        }
    }

    private static void close(@Nullable RunData opened) {
        try {
            if (opened != null) {
                opened.close();
            }
        } catch (IOException e) {
            log.warn("The data could not be closed; nothing is lost, it was only read", e);
        }
    }
}
