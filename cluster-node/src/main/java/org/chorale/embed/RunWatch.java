// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.embed;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.pekko.NotUsed;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.Props;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.apache.pekko.actor.typed.javadsl.TimerScheduler;
import org.apache.pekko.stream.OverflowStrategy;
import org.apache.pekko.stream.javadsl.Source;
import org.apache.pekko.stream.javadsl.SourceQueueWithComplete;
import org.chorale.proto.wire.ClientReply;
import org.chorale.proto.wire.ClientRequest;
import org.chorale.proto.wire.RunEvent;
import org.chorale.proto.wire.WatchRun;
import org.chorale.proto.wire.WatchedEvent;

/** Listens to a run of a cluster for one listener: gives credit as events come, and anew where none come any more. */
final class RunWatch extends AbstractBehavior<RunWatch.Command> {
    /** Events that may be on their way, and as many that the listener has not taken. */
    private static final int CREDIT = 64;

    /** A leader that has taken over knows nothing of who listened to the one before. */
    private static final Duration ASK_AGAIN = Duration.ofSeconds(10);

    private static final AtomicLong COUNT = new AtomicLong();

    /** What a watch is told. */
    sealed interface Command {}

    private record Heard(ClientReply reply) implements Command {}

    private enum Tick implements Command {
        ASK_AGAIN,
        LISTENER_GONE
    }

    private final TimerScheduler<Command> timers;
    private final ClusterRuns cluster;
    private final String run;
    private final SourceQueueWithComplete<RunEvent> listener;
    private final ActorRef<ClientReply> self;
    private int outstanding; // credit for events that have not come yet
    private long last; // number of the last event

    private RunWatch(
            ActorContext<Command> context,
            TimerScheduler<Command> timers,
            ClusterRuns cluster,
            String run,
            SourceQueueWithComplete<RunEvent> listener) {
        super(context);
        this.timers = timers;
        this.cluster = cluster;
        this.run = run;
        this.listener = listener;
        this.self = context.messageAdapter(ClientReply.class, Heard::new);
        context.pipeToSelf(listener.watchCompletion(), (done, failure) -> Tick.LISTENER_GONE);
        giveCredit();
    }

    /** A watch for each listener. */
    static Source<RunEvent, NotUsed> events(ClusterRuns cluster, ActorSystem<?> system, String run) {
        return Source.<RunEvent>queue(CREDIT, OverflowStrategy.dropHead()).mapMaterializedValue(listener -> {
            Behavior<Command> watch = Behaviors.setup(
                    context -> Behaviors.withTimers(timers -> new RunWatch(context, timers, cluster, run, listener)));
            ActorRef<Command> unused =
                    system.systemActorOf(watch, "chorale-watch-" + COUNT.incrementAndGet(), Props.empty());
            return NotUsed.getInstance();
        });
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(Heard.class, heard -> onReply(heard.reply()))
                .onMessageEquals(Tick.ASK_AGAIN, this::onAskAgain)
                .onMessageEquals(Tick.LISTENER_GONE, Behaviors::stopped)
                .build();
    }

    private Behavior<Command> onReply(ClientReply reply) {
        if (reply.hasRefused()) {
            listener.fail(ClusterRuns.refusal(reply));
        } else if (reply.hasEvent()) {
            onEvent(reply.getEvent());
        }
        return this;
    }

    private void onEvent(WatchedEvent event) {
        outstanding = Math.max(0, outstanding - 1);
        if (event.getNumber() <= last) {
            return; // told again after credit was given anew
        }
        last = event.getNumber();
        listener.offer(event.getEvent());
        if (event.getEvent().hasEnded()) {
            listener.complete();
        } else {
            giveCredit();
        }
    }

    private Behavior<Command> onAskAgain() {
        outstanding = 0;
        giveCredit();
        return this;
    }

    private void giveCredit() {
        timers.startSingleTimer(Tick.ASK_AGAIN, ASK_AGAIN);
        if (outstanding <= CREDIT / 2) {
            cluster.tell(
                    ClientRequest.newBuilder()
                            .setWatch(WatchRun.newBuilder().setRun(run).setCredit(CREDIT - outstanding)),
                    self);
            outstanding = CREDIT;
        }
    }
}
