// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.agent;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.DispatcherSelector;
import org.apache.pekko.actor.typed.Terminated;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.apache.pekko.actor.typed.javadsl.TimerScheduler;
import org.chorale.data.FeederActor;
import org.chorale.node.process.GiveUp;
import org.chorale.node.process.Workplace;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.CoordinatorCommand.FeederJoined;
import org.chorale.proto.message.CoordinatorCommand.FeederLost;
import org.chorale.proto.message.FeederCommand;
import org.chorale.proto.message.KeeperCommand;
import org.chorale.proto.message.NodeCommand;
import org.chorale.proto.message.RunsCommand;
import org.chorale.proto.message.RunsCommand.RunLeft;

/**
 * Has the workers and feeders of a node: starts and ends them for runs as it is told, and offers the node to its cluster
 * until that has answered. Where the cluster's leader goes, so does all that was started in its name.
 */
public final class NodeActor extends AbstractBehavior<NodeCommand> {
    private static final Duration OFFER_INTERVAL = Duration.ofSeconds(2);

    private enum Tick implements NodeCommand.Internal {
        OFFER
    }

    private record Checked(long inquiry, RunCheck result) implements NodeCommand.Internal {}

    private record FeederEnded(String run, String place, int incarnation, ActorRef<FeederCommand> ref)
            implements NodeCommand.Internal {}

    private record KeeperEnded(String run, ActorRef<KeeperCommand> ref) implements NodeCommand.Internal {}

    private final TimerScheduler<NodeCommand> timers;
    private final Offer offer;
    private final Workplace workplace;
    private final ActorRef<RunsCommand> entrance;
    private final Consumer<Fault> whenRefused;
    private final Map<String, Engagement> runs = new HashMap<>(); // by name
    private ActorRef<RunsCommand> leader;
    private boolean saidWhyDeferred;

    private NodeActor(
            ActorContext<NodeCommand> context,
            TimerScheduler<NodeCommand> timers,
            Offer offer,
            Workplace workplace,
            ActorRef<RunsCommand> entrance,
            Consumer<Fault> whenRefused) {
        super(context);
        this.timers = timers;
        this.offer = offer;
        this.workplace = workplace;
        this.entrance = entrance;
        this.whenRefused = whenRefused;
        this.leader = entrance;
    }

    /**
     * The agent of a launcher, which offers nothing and is told what to do all the same.
     *
     * @param launcher hears when nothing is left of a run
     */
    public static Behavior<NodeCommand> local(Offer offer, Workplace workplace, ActorRef<RunsCommand> launcher) {
        return Behaviors.setup(context -> Behaviors.withTimers(
                timers -> new NodeActor(context, timers, offer, workplace, launcher, refused -> {})));
    }

    /**
     * The agent of a cluster's node.
     *
     * @param entrance to whoever leads the runs
     * @param whenRefused told why the cluster has no use for the node
     */
    public static Behavior<NodeCommand> member(
            Offer offer, Workplace workplace, ActorRef<RunsCommand> entrance, Consumer<Fault> whenRefused) {
        return Behaviors.setup(context -> Behaviors.withTimers(timers -> {
            NodeActor agent = new NodeActor(context, timers, offer, workplace, entrance, whenRefused);
            agent.keepOffering();
            return agent;
        }));
    }

    @Override
    public Receive<NodeCommand> createReceive() {
        return newReceiveBuilder()
                .onMessageEquals(Tick.OFFER, this::onOffer)
                .onMessage(NodeCommand.Accepted.class, this::onAccepted)
                .onMessage(NodeCommand.Refused.class, this::onRefused)
                .onMessage(NodeCommand.Deferred.class, this::onDeferred)
                .onMessage(NodeCommand.CheckRun.class, this::onCheckRun)
                .onMessage(Checked.class, this::onChecked)
                .onMessage(NodeCommand.StartWorkers.class, this::onStartWorkers)
                .onMessage(NodeCommand.StartFeeder.class, this::onStartFeeder)
                .onMessage(NodeCommand.EndRun.class, this::onEndRun)
                .onMessage(KeeperEnded.class, this::onKeeperEnded)
                .onMessage(FeederEnded.class, this::onFeederEnded)
                .onSignal(Terminated.class, terminated -> onLeaderGone())
                .build();
    }

    private void keepOffering() {
        timers.startTimerWithFixedDelay(Tick.OFFER, Duration.ZERO, OFFER_INTERVAL);
    }

    private Behavior<NodeCommand> onOffer() {
        entrance.tell(offer.by(getContext().getSelf(), Preflights.ofThisProcess()));
        return this;
    }

    private Behavior<NodeCommand> onAccepted(NodeCommand.Accepted accepted) {
        timers.cancel(Tick.OFFER);
        if (!leader.equals(accepted.runs())) {
            leader = accepted.runs();
            getContext().watch(leader);
            getContext().getLog().info("the cluster has taken {} in", offer.address());
        }
        return this;
    }

    private Behavior<NodeCommand> onRefused(NodeCommand.Refused refused) {
        timers.cancel(Tick.OFFER);
        whenRefused.accept(refused.fault());
        return this;
    }

    /** Said once, and not every two seconds. */
    private Behavior<NodeCommand> onDeferred(NodeCommand.Deferred deferred) {
        if (!saidWhyDeferred) {
            saidWhyDeferred = true;
            getContext().getLog().warn("the cluster waits with this node: {}", deferred.reason());
        }
        return this;
    }

    /** Users' classes are loaded for it, which takes time and may do anything. */
    private Behavior<NodeCommand> onCheckRun(NodeCommand.CheckRun check) {
        Executor blocking = getContext().getSystem().dispatchers().lookup(DispatcherSelector.blocking());
        getContext()
                .pipeToSelf(
                        CompletableFuture.supplyAsync(() -> RunCheck.of(check.runConf()), blocking),
                        (result, failure) ->
                                new Checked(check.inquiry(), failure == null ? result : RunCheck.failed(failure)));
        return this;
    }

    private Behavior<NodeCommand> onChecked(Checked checked) {
        RunCheck result = checked.result();
        leader.tell(
                new RunsCommand.RunChecked(checked.inquiry(), offer.address(), result.usersClasses(), result.fault()));
        return this;
    }

    private Behavior<NodeCommand> onStartWorkers(NodeCommand.StartWorkers order) {
        Engagement run = engagement(order.run(), order.coordinator());
        if (!run.isEnding()) {
            order.slots().stream().filter(slot -> !run.hasWorker(slot)).forEach(slot -> startWorker(order, run, slot));
        }
        return this;
    }

    private void startWorker(NodeCommand.StartWorkers order, Engagement run, int slot) {
        ActorRef<KeeperCommand> keeper = getContext()
                .spawnAnonymous(workplace.keeper(order.node() + "/" + slot, order.runConf(), run.coordinator()));
        getContext().watchWith(keeper, new KeeperEnded(order.run(), keeper));
        run.add(slot, keeper);
    }

    private Behavior<NodeCommand> onStartFeeder(NodeCommand.StartFeeder order) {
        Engagement run = engagement(order.run(), order.coordinator());
        if (!run.isEnding() && !run.hasFeeder(order.feeder())) {
            startFeeder(order.run(), run, order.feeder());
        }
        return this;
    }

    private void startFeeder(String name, Engagement run, String place) {
        ActorRef<FeederCommand> feeder = getContext().spawnAnonymous(FeederActor.create());
        int incarnation = run.nextFeeder(place);
        getContext().watchWith(feeder, new FeederEnded(name, place, incarnation, feeder));
        run.add(place, feeder);
        run.coordinator().tell(new FeederJoined(place, incarnation, offer.host(), feeder));
    }

    private Engagement engagement(String run, ActorRef<CoordinatorCommand> coordinator) {
        return runs.computeIfAbsent(run, name -> new Engagement(coordinator));
    }

    private Behavior<NodeCommand> onEndRun(NodeCommand.EndRun order) {
        Engagement run = runs.get(order.run());
        if (run == null) {
            leader.tell(new RunLeft(offer.address(), order.run()));
        } else if (!run.isEnding()) {
            end(order.run(), run);
        }
        return this;
    }

    private void end(String name, Engagement run) {
        run.end();
        run.keepers().forEach(keeper -> keeper.tell(new GiveUp()));
        run.feeders().forEach(getContext()::stop);
        leaveIfNothingIsLeft(name, run);
    }

    private Behavior<NodeCommand> onKeeperEnded(KeeperEnded ended) {
        gone(ended.run(), ended.ref());
        return this;
    }

    /** Another takes its place; how often, is bounded by the recoveries that the run is allowed. */
    private Behavior<NodeCommand> onFeederEnded(FeederEnded ended) {
        gone(ended.run(), ended.ref());
        Engagement run = runs.get(ended.run());
        if (run != null && !run.isEnding()) {
            String reason = "it stopped; the log of " + offer.host() + " says why";
            run.coordinator().tell(new FeederLost(ended.place(), ended.incarnation(), reason));
            startFeeder(ended.run(), run, ended.place());
        }
        return this;
    }

    private void gone(String name, ActorRef<?> actor) {
        Engagement run = runs.get(name);
        if (run != null) {
            run.remove(actor);
            leaveIfNothingIsLeft(name, run);
        }
    }

    private void leaveIfNothingIsLeft(String name, Engagement run) {
        if (run.isEnding() && run.isEmpty()) {
            runs.remove(name);
            leader.tell(new RunLeft(offer.address(), name));
        }
    }

    /** As when this node leaves in order, and has been told first. */
    private Behavior<NodeCommand> onLeaderGone() {
        leader = entrance;
        List<String> orphans = List.copyOf(runs.keySet());
        if (!orphans.isEmpty()) {
            getContext()
                    .getLog()
                    .warn("the leader of the runs is gone, and what it has started here ends: {}", orphans);
        }
        orphans.forEach(name -> onEndRun(new NodeCommand.EndRun(name)));
        keepOffering();
        return this;
    }
}
