// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.queue;

import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.apache.pekko.actor.typed.javadsl.TimerScheduler;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.NodeCommand;
import org.chorale.proto.message.RunsCommand;
import org.chorale.proto.wire.ClientReply;
import org.chorale.proto.wire.ClientRequest;
import org.chorale.proto.wire.RequestRefused;
import org.chorale.proto.wire.RunEnded;
import org.chorale.proto.wire.RunEvent;
import org.chorale.proto.wire.WatchRun;

/**
 * Leads the runs of a cluster, as its singleton: takes nodes up, lets runs wait in line for them, has each that begins led
 * by a coordinator, and answers clients. Who gets what is decided by {@link RunQueue}.
 */
public final class RunsActor extends AbstractBehavior<RunsCommand> {
    /** The protocol of clients that this release speaks. */
    private static final int PROTOCOL_VERSION = 1;

    private static final Duration CHECK_TIMEOUT = Duration.ofSeconds(20);
    private static final Duration BETWEEN_SWEEPS = Duration.ofSeconds(15);

    private record NodeGone(String name) implements RunsCommand.Internal {}

    private record CheckTimedOut(long inquiry) implements RunsCommand.Internal {}

    private record RunLed(ClusterRun run, ActorRef<CoordinatorCommand> coordinator) implements RunsCommand.Internal {}

    private record RunNews(ClusterRun run, RunEvent event) implements RunsCommand.Internal {}

    private record PlaceGivenUp(ClusterRun run, String place, String reason) implements RunsCommand.Internal {}

    private record RunOver(ClusterRun run) implements RunsCommand.Internal {}

    private record Sweep() implements RunsCommand.Internal {}

    private final RunsCommand.Preflight own;
    private final Clock clock;
    private final TimerScheduler<RunsCommand> timers;
    private final Map<String, ActorRef<NodeCommand>> nodes = new HashMap<>(); // by name
    private final Map<String, Integer> lives = new HashMap<>(); // of nodes, by address
    private final KnownRuns runs = new KnownRuns();
    private final Inquiries inquiries = new Inquiries();
    private final LateChecks lateChecks = new LateChecks();
    private long checks; // that nodes were asked for
    private RunQueue queue = RunQueue.EMPTY;

    private RunsActor(
            ActorContext<RunsCommand> context,
            TimerScheduler<RunsCommand> timers,
            RunsCommand.Preflight own,
            Clock clock) {
        super(context);
        this.own = own;
        this.clock = clock;
        this.timers = timers;
        timers.startTimerWithFixedDelay(new Sweep(), BETWEEN_SWEEPS);
    }

    /**
     * A leader of a cluster without nodes and runs.
     *
     * @param own what all nodes must have in common with this one; its clock and memory are not looked at
     */
    public static Behavior<RunsCommand> create(RunsCommand.Preflight own, Clock clock) {
        return Behaviors.setup(context -> Behaviors.withTimers(timers -> new RunsActor(context, timers, own, clock)));
    }

    @Override
    public Receive<RunsCommand> createReceive() {
        return newReceiveBuilder()
                .onMessage(RunsCommand.NodeJoined.class, this::onNodeJoined)
                .onMessage(NodeGone.class, this::onNodeGone)
                .onMessage(RunsCommand.RunChecked.class, this::onRunChecked)
                .onMessage(CheckTimedOut.class, this::onCheckTimedOut)
                .onMessage(RunsCommand.RunLeft.class, this::onRunLeft)
                .onMessage(RunsCommand.Asked.class, this::onAsked)
                .onMessage(RunLed.class, this::onRunLed)
                .onMessage(RunNews.class, this::onRunNews)
                .onMessage(PlaceGivenUp.class, this::onPlaceGivenUp)
                .onMessage(RunOver.class, this::onRunOver)
                .onMessage(Sweep.class, sweep -> onSweep())
                .build();
    }

    private Behavior<RunsCommand> onNodeJoined(RunsCommand.NodeJoined joined) {
        Optional<Fault> refusal = Admission.refusal(own, joined);
        Optional<String> clockDiffers = Admission.clockDiffers(joined, clock.millis());
        if (nodes.containsValue(joined.node())) {
            joined.node().tell(new NodeCommand.Accepted(getContext().getSelf()));
        } else if (refusal.isPresent()) {
            getContext().getLog().warn("Refused: {}", refusal.get().message());
            joined.node().tell(new NodeCommand.Refused(refusal.get()));
        } else if (clockDiffers.isPresent()) {
            getContext().getLog().warn("Not yet accepted: {}", clockDiffers.get());
            joined.node().tell(new NodeCommand.Deferred(clockDiffers.get()));
        } else {
            nameAt(joined.address()).ifPresent(this::lose);
            accept(joined);
        }
        return this;
    }

    private void accept(RunsCommand.NodeJoined joined) {
        int life = lives.merge(joined.address(), 1, Integer::sum);
        String name = life == 1 ? joined.address() : "%s#%d".formatted(joined.address(), life);
        nodes.put(name, joined.node());
        queue = queue.joined(new ClusterNode(
                name, joined.address(), joined.host(), Set.copyOf(joined.roles()), joined.slots(), joined.gpus()));
        getContext().watchWith(joined.node(), new NodeGone(name));
        joined.node().tell(new NodeCommand.Accepted(getContext().getSelf()));
        queue.runs().stream()
                .filter(run -> run.phase() == QueuedRun.Phase.WAITING || run.phase() == QueuedRun.Phase.RUNNING)
                .forEach(run -> checkLate(runs.known(run.name()), name));
        grant();
    }

    /** The node came after the run was submitted: it is not used for the run before it has said that it can be. */
    private void checkLate(ClusterRun run, String node) {
        if (queue.node(node).orElseThrow().works()) {
            long number = ++checks;
            lateChecks.begin(number, run, node);
            queue = queue.barred(node, run.submission.name(), LateChecks.ASKED);
            check(number, run.submission, node);
        }
    }

    private void check(long number, Submission submission, String node) {
        node(node).tell(new NodeCommand.CheckRun(number, submission.runConf()));
        timers.startSingleTimer("check-" + number, new CheckTimedOut(number), CHECK_TIMEOUT);
    }

    /** The run may have ended, and the node be gone. */
    private void onVerdict(LateChecks.Verdict verdict) {
        String run = verdict.run().submission.name();
        if (runs.find(run).filter(known -> known == verdict.run()).isEmpty()
                || queue.node(verdict.node()).isEmpty()) {
            return;
        }
        if (verdict.objection().isPresent()) {
            String objection = verdict.objection().get();
            getContext().getLog().warn("Not used for run {}: node {} {}", run, verdict.node(), objection);
            queue = queue.barred(verdict.node(), run, objection);
        } else {
            queue = queue.unbarred(verdict.node(), run);
        }
        grant();
    }

    private Behavior<RunsCommand> onNodeGone(NodeGone gone) {
        if (nodes.containsKey(gone.name())) {
            lose(gone.name());
            grant();
        }
        return this;
    }

    /** Its workers have ended with it, or will as soon as they notice; their places never come back. */
    private void lose(String name) {
        nodes.remove(name);
        for (QueuedRun run : queue.runs()) {
            Optional<ActorRef<CoordinatorCommand>> coordinator =
                    runs.find(run.name()).flatMap(ClusterRun::coordinator);
            run.slots().stream()
                    .filter(slot -> slot.node().equals(name))
                    .map(slot -> new CoordinatorCommand.WorkerLost(slot.place(), Integer.MAX_VALUE, "its node is gone"))
                    .forEach(lost -> coordinator.ifPresent(ref -> ref.tell(lost)));
            run.feeders().stream()
                    .filter(feeder -> QueuedRun.nodeOf(feeder).equals(name))
                    .map(feeder -> new CoordinatorCommand.FeederLost(feeder, Integer.MAX_VALUE, "its node is gone"))
                    .forEach(lost -> coordinator.ifPresent(ref -> ref.tell(lost)));
        }
        queue = queue.lost(name);
    }

    private Optional<String> nameAt(String address) {
        return queue.nodes().stream()
                .filter(node -> node.address().equals(address))
                .map(ClusterNode::name)
                .findFirst();
    }

    private Behavior<RunsCommand> onRunChecked(RunsCommand.RunChecked checked) {
        inquiries.onChecked(checked).ifPresent(this::conclude);
        lateChecks.onChecked(checked).ifPresent(this::onVerdict);
        return this;
    }

    private Behavior<RunsCommand> onCheckTimedOut(CheckTimedOut timeout) {
        inquiries.onSilence(timeout.inquiry(), CHECK_TIMEOUT.toSeconds()).ifPresent(this::conclude);
        lateChecks.onSilence(timeout.inquiry(), CHECK_TIMEOUT.toSeconds()).ifPresent(this::onVerdict);
        return this;
    }

    private Behavior<RunsCommand> onRunLeft(RunsCommand.RunLeft left) {
        nameAt(left.address()).ifPresent(name -> queue = queue.left(name, left.run()));
        grant();
        return this;
    }

    private Behavior<RunsCommand> onAsked(RunsCommand.Asked asked) {
        try {
            answer(asked.request(), asked.client());
        } catch (FaultException e) {
            refuse(asked.client(), e.fault());
        } catch (RuntimeException e) { // no request may end what leads the runs of others
            getContext().getLog().error("A request could not be answered", e);
            refuse(asked.client(), new Fault(FaultCode.INTERNAL, "the request could not be answered: " + e));
        }
        return this;
    }

    private void answer(ClientRequest request, ActorRef<ClientReply> client) {
        if (request.getProtocolVersion() != PROTOCOL_VERSION) {
            throw invalid("the client speaks version %d of the protocol, the cluster %d"
                    .formatted(request.getProtocolVersion(), PROTOCOL_VERSION));
        }
        switch (request.getRequestCase()) {
            case SUBMIT -> submit(Submission.of(request.getSubmit()), client);
            case DESCRIBE -> status(runs.known(request.getDescribe().getRun()), client);
            case STOP ->
                stop(runs.known(request.getStop().getRun()), request.getStop().getReason(), client);
            case LIST ->
                client.tell(ClientReply.newBuilder().setList(runs.list(queue)).build());
            case NODES ->
                client.tell(
                        ClientReply.newBuilder().setNodes(NodeReport.of(queue)).build());
            case WATCH -> watch(request.getWatch(), client);
            case REQUEST_NOT_SET -> throw invalid("the request asks for nothing");
        }
    }

    private void submit(Submission submission, ActorRef<ClientReply> client) {
        runs.refuseSecond(submission, queue);
        Set<String> workers = queue.nodes().stream()
                .filter(ClusterNode::works)
                .map(ClusterNode::name)
                .collect(Collectors.toSet());
        if (workers.isEmpty()) {
            conclude(new Inquiries.Outcome(submission, client, Map.of(), Optional.empty()));
        } else if (inquiries.areTooMany()) {
            throw invalid("%d runs are being submitted already: try again".formatted(Inquiries.MAX));
        } else {
            Set<String> addresses = queue.nodes().stream()
                    .filter(node -> workers.contains(node.name()))
                    .map(ClusterNode::address)
                    .collect(Collectors.toSet());
            long number = ++checks;
            inquiries.begin(number, submission, client, addresses);
            workers.forEach(name -> check(number, submission, name));
        }
    }

    private void conclude(Inquiries.Outcome outcome) {
        Submission submission = outcome.submission();
        try {
            runs.refuseSecond(submission, queue); // another may have come meanwhile
            queue = runs.makeRoom(queue);
        } catch (FaultException e) {
            refuse(outcome.client(), e.fault());
            return;
        }
        if (outcome.fault().isPresent()) {
            refuse(outcome.client(), outcome.fault().get());
            return;
        }
        ClusterRun run = new ClusterRun(
                submission,
                clock.millis(),
                outcome.usersClasses().values().stream().findFirst());
        runs.add(run);
        queue = queue.submitted(
                QueuedRun.submitted(submission.name(), submission.terms().parallel()));
        queue.nodes().stream()
                .filter(node -> !outcome.usersClasses().containsKey(node.address()))
                .forEach(node -> checkLate(run, node.name()));
        grant();
        status(run, outcome.client());
    }

    private void stop(ClusterRun run, String reason, ActorRef<ClientReply> client) {
        String name = run.submission.name();
        boolean waits = queue.run(name).orElseThrow().phase() == QueuedRun.Phase.WAITING;
        if (waits) {
            run.hear(ended(RunEnded.Outcome.STOPPED, reason));
            queue = queue.over(name);
            grant();
        } else {
            run.stop(reason);
        }
        status(run, client);
    }

    private static RunEvent ended(RunEnded.Outcome outcome, String message) {
        return RunEvent.newBuilder()
                .setEnded(RunEnded.newBuilder().setOutcome(outcome).setMessage(message))
                .build();
    }

    private void watch(WatchRun watch, ActorRef<ClientReply> client) {
        if (!runs.known(watch.getRun()).watch(client, watch.getCredit(), System.nanoTime())) {
            throw invalid("run %s is watched by %d clients already".formatted(watch.getRun(), Watchers.MAX));
        }
    }

    private void status(ClusterRun run, ActorRef<ClientReply> client) {
        client.tell(ClientReply.newBuilder().setStatus(run.status(queue)).build());
    }

    private static FaultException invalid(String message) {
        return new FaultException(FaultCode.COMMAND_INVALID, message);
    }

    private static void refuse(ActorRef<ClientReply> client, Fault fault) {
        client.tell(ClientReply.newBuilder()
                .setRefused(RequestRefused.newBuilder()
                        .setFaultCode(fault.code().name())
                        .setMessage(fault.message()))
                .build());
    }

    /** Gives what can be given. */
    private void grant() {
        for (Optional<Grant> next = queue.next(); next.isPresent(); next = queue.next()) {
            Grant grant = next.get();
            ClusterRun run = runs.find(grant.run()).orElseThrow();
            boolean begins = queue.run(grant.run()).orElseThrow().phase() == QueuedRun.Phase.WAITING;
            queue = queue.granted(grant);
            if (begins) {
                lead(run);
            }
            run.coordinator().ifPresent(coordinator -> start(run, grant, coordinator));
        }
    }

    private void lead(ClusterRun run) {
        ActorRef<RunsCommand> self = getContext().getSelf();
        RunLeader.Listener listener = new RunLeader.Listener() {
            @Override
            public void leads(ActorRef<CoordinatorCommand> coordinator) {
                self.tell(new RunLed(run, coordinator));
            }

            @Override
            public void hears(RunEvent event) {
                self.tell(new RunNews(run, event));
            }

            @Override
            public void replaces(String place, String reason) {
                self.tell(new PlaceGivenUp(run, place, reason));
            }

            @Override
            public void over() {
                self.tell(new RunOver(run));
            }
        };
        getContext().spawnAnonymous(RunLeader.create(run.submission.directory(), run.submission.runConf(), listener));
    }

    /** What was granted until now is started; what is granted later, when it is granted. */
    private Behavior<RunsCommand> onRunLed(RunLed led) {
        led.run().ledBy(led.coordinator());
        QueuedRun place = queue.run(led.run().submission.name()).orElseThrow();
        start(led.run(), new Grant(place.name(), place.slots(), place.feeders()), led.coordinator());
        return this;
    }

    private void start(ClusterRun run, Grant grant, ActorRef<CoordinatorCommand> coordinator) {
        String name = run.submission.name();
        String conf = run.submission.runConf();
        Map<String, List<Integer>> slots = new LinkedHashMap<>();
        grant.slots()
                .forEach(slot -> slots.computeIfAbsent(slot.node(), node -> new ArrayList<>())
                        .add(slot.number()));
        grant.feeders()
                .forEach(feeder -> node(QueuedRun.nodeOf(feeder))
                        .tell(new NodeCommand.StartFeeder(name, conf, feeder, coordinator)));
        slots.forEach((node, numbers) ->
                node(node).tell(new NodeCommand.StartWorkers(name, conf, node, numbers, coordinator)));
    }

    private Behavior<RunsCommand> onRunNews(RunNews news) {
        news.run().hear(news.event());
        return this;
    }

    private Behavior<RunsCommand> onPlaceGivenUp(PlaceGivenUp news) {
        queue = queue.gaveUp(news.run().submission.name(), news.place(), news.reason());
        grant();
        return this;
    }

    private Behavior<RunsCommand> onRunOver(RunOver over) {
        String name = over.run().submission.name();
        queue = queue.over(name);
        queue.run(name).orElseThrow().leaving().forEach(node -> node(node).tell(new NodeCommand.EndRun(name)));
        grant();
        return this;
    }

    private Behavior<RunsCommand> onSweep() {
        runs.forgetSilentWatchers(System.nanoTime());
        return this;
    }

    private ActorRef<NodeCommand> node(String name) {
        return Objects.requireNonNull(nodes.get(name), () -> "node " + name + " is not here");
    }
}
