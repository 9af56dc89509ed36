// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.queue;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import com.typesafe.config.ConfigFactory;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.DispatcherSelector;
import org.chorale.coordinator.directory.RunDirectory;
import org.chorale.coordinator.directory.RunFixture;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.FeederCommand;
import org.chorale.proto.message.NodeCommand;
import org.chorale.proto.message.RunsCommand;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.proto.wire.ClientReply;
import org.chorale.proto.wire.ClientRequest;
import org.chorale.proto.wire.DescribeRun;
import org.chorale.proto.wire.ListNodes;
import org.chorale.proto.wire.ListRuns;
import org.chorale.proto.wire.NodeStatus;
import org.chorale.proto.wire.RunEnded.Outcome;
import org.chorale.proto.wire.RunStatus;
import org.chorale.proto.wire.StopRunRequest;
import org.chorale.proto.wire.SubmitRun;
import org.chorale.proto.wire.WatchRun;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A real leader, with probes where nodes and clients stand. */
class RunsActorTest {
    /** With one thread for the disk, so that one can wait until it has nothing to do. */
    private static final ActorTestKit KIT = ActorTestKit.create(ConfigFactory.parseString("""
            pekko.actor.testkit.typed.single-expect-default = 20s
            pekko.actor.default-blocking-io-dispatcher.thread-pool-executor.fixed-pool-size = 1
            """));

    private static final Executor DISK = KIT.system().dispatchers().lookup(DispatcherSelector.blocking());
    private static final long NOW_MILLIS = 1_700_000_000_000L;
    private static final RunsCommand.Preflight OWN = preflight("17.0.12", NOW_MILLIS);

    private final ActorRef<RunsCommand> runs =
            KIT.spawn(RunsActor.create(OWN, Clock.fixed(Instant.ofEpochMilli(NOW_MILLIS), ZoneOffset.UTC)));
    private final TestProbe<ClientReply> client = KIT.createTestProbe();

    @TempDir
    Path dir;

    /** Only then may the temporary directory go. */
    @AfterEach
    void stop() {
        KIT.stop(runs);
        awaitDisk();
    }

    private static void awaitDisk() {
        CompletableFuture.runAsync(() -> {}, DISK)
                .orTimeout(20, TimeUnit.SECONDS)
                .join();
    }

    @AfterAll
    static void shutDown() {
        KIT.shutdownTestKit();
    }

    @Test
    void aSubmittedRunIsCheckedGetsItsWorkersAndFreesThemWhenItIsOver() {
        TestProbe<NodeCommand> node = join("10.0.0.7:2550", 2);
        assertThat(submit("a", 2, node).getPhase()).isEqualTo(RunStatus.Phase.RUNNING);
        NodeCommand.StartFeeder feeder = node.expectMessageClass(NodeCommand.StartFeeder.class);
        assertThat(feeder.feeder()).isEqualTo("10.0.0.7:2550/feeder-0");
        NodeCommand.StartWorkers workers = node.expectMessageClass(NodeCommand.StartWorkers.class);
        assertThat(workers.run()).isEqualTo("a");
        assertThat(workers.node()).isEqualTo("10.0.0.7:2550");
        assertThat(workers.slots()).containsExactly(0, 1);
        assertThat(submit("b", 1, node).getAwaited())
                .isEqualTo("1 more worker(s): 1 asked for, 0 free of 2; run a holds 2");
        workers.coordinator().tell(new CoordinatorCommand.StopRun("enough"));
        assertThat(node.expectMessageClass(NodeCommand.EndRun.class).run()).isEqualTo("a");
        node.expectNoMessage();
        runs.tell(new RunsCommand.RunLeft("10.0.0.7:2550", "a"));
        assertThat(node.expectMessageClass(NodeCommand.StartFeeder.class).run()).isEqualTo("b");
        RunStatus ended = describe("a");
        assertThat(ended.getPhase()).isEqualTo(RunStatus.Phase.ENDED);
        assertThat(ended.getEnded().getOutcome()).isEqualTo(Outcome.STOPPED);
        assertThat(ended.getEnded().getMessage()).isEqualTo("enough");
    }

    @Test
    void aRunThatNoNodeCanBuildIsRefusedWithNodeAndReason() {
        TestProbe<NodeCommand> node = join("10.0.0.7:2550", 1);
        ask(submission("a", 1));
        NodeCommand.CheckRun check = node.expectMessageClass(NodeCommand.CheckRun.class);
        Fault missing = new Fault(FaultCode.CONFIG_INVALID, "pipeline.loss.type = com.example.Gone: no such class");
        runs.tell(new RunsCommand.RunChecked(check.inquiry(), "10.0.0.7:2550", "", Optional.of(missing)));
        assertThat(refusal())
                .isEqualTo("CONFIG_INVALID node 10.0.0.7:2550: pipeline.loss.type = com.example.Gone: no such class");
    }

    @Test
    void nodesWhoseUsersClassesDifferCannotTrainARunThatNamesSome() {
        TestProbe<NodeCommand> first = join("10.0.0.7:2550", 1);
        TestProbe<NodeCommand> second = join("10.0.0.8:2550", 1);
        ask(submission("a", 1));
        long inquiry = first.expectMessageClass(NodeCommand.CheckRun.class).inquiry();
        second.expectMessageClass(NodeCommand.CheckRun.class);
        runs.tell(new RunsCommand.RunChecked(inquiry, "10.0.0.7:2550", "d1", Optional.empty()));
        runs.tell(new RunsCommand.RunChecked(inquiry, "10.0.0.8:2550", "d2", Optional.empty()));
        assertThat(refusal())
                .startsWith("NODE_UNFIT CHORALE_CLASS_PATH must hold the same on all nodes")
                .contains("node 10.0.0.7:2550: SHA-256 d1", "node 10.0.0.8:2550: SHA-256 d2");
    }

    @Test
    void aNodeThatComesLaterIsAskedBeforeARunThatWaitsUsesIt() {
        TestProbe<NodeCommand> first = join("10.0.0.7:2550", 1);
        submit("a", 2, first);
        TestProbe<NodeCommand> without = join("10.0.0.8:2550", 1);
        Fault missing = new Fault(FaultCode.NODE_UNFIT, "pipeline.loss: com.example.Gone is not there");
        runs.tell(new RunsCommand.RunChecked(inquiryOf(without), "10.0.0.8:2550", "", Optional.of(missing)));
        TestProbe<NodeCommand> other = join("10.0.0.9:2550", 1);
        runs.tell(new RunsCommand.RunChecked(inquiryOf(other), "10.0.0.9:2550", "d2", Optional.empty()));
        assertThat(describe("a").getAwaited())
                .contains("1 more worker(s): 2 asked for, 1 free of 3")
                .contains("node 10.0.0.8:2550 cannot work for the run: pipeline.loss: com.example.Gone is not there")
                .contains("node 10.0.0.9:2550 holds something else on CHORALE_CLASS_PATH");
        TestProbe<NodeCommand> fit = join("10.0.0.10:2550", 1);
        long inquiry = inquiryOf(fit);
        assertThat(describe("a").getAwaited()).contains("node 10.0.0.10:2550 has yet to say");
        runs.tell(new RunsCommand.RunChecked(inquiry, "10.0.0.10:2550", "", Optional.empty()));
        fit.expectMessageClass(NodeCommand.StartWorkers.class);
    }

    private static long inquiryOf(TestProbe<NodeCommand> node) {
        return node.expectMessageClass(NodeCommand.CheckRun.class).inquiry();
    }

    @Test
    void aNodeThatIsUnlikeTheClusterIsRefusedByNameAndFact() {
        TestProbe<NodeCommand> node = KIT.createTestProbe();
        runs.tell(joined("10.0.0.8:2550", 1, preflight("21.0.1", NOW_MILLIS), node));
        assertThat(node.expectMessageClass(NodeCommand.Refused.class).fault())
                .isEqualTo(new Fault(
                        FaultCode.NODE_UNFIT,
                        "node 10.0.0.8:2550 (host): it has Java 21.0.1, the cluster has Java 17.0.12"));
    }

    @Test
    void aNodeWhoseClockIsOffIsNotUsedBeforeItIsRight() {
        TestProbe<NodeCommand> node = KIT.createTestProbe();
        runs.tell(joined("10.0.0.8:2550", 1, preflight("17.0.12", NOW_MILLIS - 6_000), node));
        assertThat(node.expectMessageClass(NodeCommand.Deferred.class).reason())
                .isEqualTo("node 10.0.0.8:2550 (host): its clock is behind by 6.0 seconds;"
                        + " it is not used before the clocks agree within 5");
        runs.tell(joined("10.0.0.8:2550", 1, preflight("17.0.12", NOW_MILLIS - 4_000), node));
        node.expectMessageClass(NodeCommand.Accepted.class);
    }

    @Test
    void aRunGoesOnElsewhereWhenItsNodeIsGoneUnderPlacesThatAreNew() {
        TestProbe<NodeCommand> first = join("10.0.0.7:2550", 1);
        submit("a", 1, first);
        first.expectMessageClass(NodeCommand.StartFeeder.class);
        ActorRef<CoordinatorCommand> coordinator =
                first.expectMessageClass(NodeCommand.StartWorkers.class).coordinator();
        coordinator.tell(new CoordinatorCommand.WorkerJoined(
                "10.0.0.7:2550/0",
                1,
                "host",
                "cpu",
                KIT.<WorkerCommand>createTestProbe().ref()));
        coordinator.tell(new CoordinatorCommand.FeederJoined(
                "10.0.0.7:2550/feeder-0",
                1,
                "host",
                KIT.<FeederCommand>createTestProbe().ref()));
        first.stop();
        TestProbe<NodeCommand> again = join("10.0.0.7:2550", 1);
        runs.tell(new RunsCommand.RunChecked(inquiryOf(again), "10.0.0.7:2550", "", Optional.empty()));
        assertThat(again.expectMessageClass(NodeCommand.StartFeeder.class).feeder())
                .isEqualTo("10.0.0.7:2550#2/feeder-0");
        assertThat(again.expectMessageClass(NodeCommand.StartWorkers.class).node())
                .isEqualTo("10.0.0.7:2550#2");
        TestProbe<WorkerCommand> worker = KIT.createTestProbe();
        TestProbe<FeederCommand> feeder = KIT.createTestProbe();
        coordinator.tell(new CoordinatorCommand.WorkerJoined("10.0.0.7:2550#2/0", 1, "host", "cpu", worker.ref()));
        coordinator.tell(new CoordinatorCommand.FeederJoined("10.0.0.7:2550#2/feeder-0", 1, "host", feeder.ref()));
        worker.expectMessageClass(WorkerCommand.DescribeModel.class);
    }

    @Test
    void aRunWhosePlaceIsGivenUpGetsAnotherOrSaysWhatItWaitsForAndWhy() {
        TestProbe<NodeCommand> first = join("10.0.0.7:2550", 1);
        submit("a", 1, first);
        first.expectMessageClass(NodeCommand.StartFeeder.class);
        ActorRef<CoordinatorCommand> coordinator =
                first.expectMessageClass(NodeCommand.StartWorkers.class).coordinator();
        coordinator.tell(new CoordinatorCommand.WorkerUnavailable(
                "10.0.0.7:2550/0", new Fault(FaultCode.WORKER_LOST, "exit code 1, after 3 attempts")));
        client.awaitAssert(() -> {
            assertThat(describe("a").getAwaited())
                    .isEqualTo("1 more worker(s): 1 asked for, 0 free of 1;"
                            + " 10.0.0.7:2550/0 was given up: exit code 1, after 3 attempts");
            return true;
        });
        TestProbe<NodeCommand> second = join("10.0.0.8:2550", 1);
        runs.tell(new RunsCommand.RunChecked(inquiryOf(second), "10.0.0.8:2550", "", Optional.empty()));
        assertThat(second.expectMessageClass(NodeCommand.StartWorkers.class).node())
                .isEqualTo("10.0.0.8:2550");
        coordinator.tell(new CoordinatorCommand.StopRun("enough"));
        first.expectMessageClass(NodeCommand.EndRun.class); // its keeper and feeder are there yet
        second.expectMessageClass(NodeCommand.EndRun.class);
    }

    @Test
    void aRunThatWaitsIsStoppedAtOnceAndAWatcherIsTold() {
        submit("a", 1);
        ask(ClientRequest.newBuilder()
                .setWatch(WatchRun.newBuilder().setRun("a").setCredit(5)));
        ask(ClientRequest.newBuilder()
                .setStop(StopRunRequest.newBuilder().setRun("a").setReason("not needed")));
        assertThat(client.receiveMessage().getEvent().getEvent().getEnded().getMessage())
                .isEqualTo("not needed");
        assertThat(client.receiveMessage().getStatus().getPhase()).isEqualTo(RunStatus.Phase.ENDED);
    }

    @Test
    void oneWhoWatchesARunThatHasEndedHearsOfItsEnd() {
        submit("a", 1);
        ask(ClientRequest.newBuilder()
                .setStop(StopRunRequest.newBuilder().setRun("a").setReason("not needed")));
        client.receiveMessage();
        ask(ClientRequest.newBuilder()
                .setWatch(WatchRun.newBuilder().setRun("a").setCredit(1)));
        assertThat(client.receiveMessage().getEvent().getEvent().hasEnded()).isTrue();
    }

    @Test
    void aNameAndADirectoryAreOfOneRunAtATimeAndFreeOnceItHasEnded() {
        submit("a", 1);
        ask(submission("a", 1));
        assertThat(refusal()).startsWith("COMMAND_INVALID run a: there is one of that name");
        ask(ClientRequest.newBuilder()
                .setSubmit(SubmitRun.newBuilder().setRunConf(conf("a", 1)).setName("b")));
        assertThat(refusal()).startsWith("RUN_DIRECTORY_TAKEN").contains("is that of run a");
        ask(ClientRequest.newBuilder().setStop(StopRunRequest.newBuilder().setRun("a")));
        client.receiveMessage();
        assertThat(submit("a", 1).getPhase()).isEqualTo(RunStatus.Phase.WAITING);
        ask(ClientRequest.newBuilder().setList(ListRuns.getDefaultInstance()));
        assertThat(client.receiveMessage().getList().getRunsList()).hasSize(1);
    }

    @Test
    void aRunWhoseDirectoryIsInUseEndsWithThatFault() {
        try (RunDirectory taken = RunDirectory.open(dir.resolve("a"), conf("a", 1))) {
            assertThat(taken.exported()).isFalse();
            TestProbe<NodeCommand> node = join("10.0.0.7:2550", 1);
            submit("a", 1, node);
            node.expectMessageClass(NodeCommand.EndRun.class);
            assertThat(describe("a").getEnded().getFaultCode()).isEqualTo("RUN_DIRECTORY_TAKEN");
        }
    }

    @Test
    void whatCannotBeIsRefusedWithAllThatIsWrong() {
        ask(ClientRequest.newBuilder()
                .setSubmit(SubmitRun.newBuilder()
                        .setRunConf(conf("a", 1, "parallel.recoveries = -1", "checkpoint.keep = 0"))));
        assertThat(refusal()).contains("parallel.recoveries = -1").contains("checkpoint.keep = 0");
        ask(ClientRequest.newBuilder()
                .setSubmit(SubmitRun.newBuilder().setRunConf(conf("a", 1, "parallel.isolation = in-process"))));
        assertThat(refusal()).contains("parallel.isolation = in-process: must be process");
        ask(ClientRequest.newBuilder()
                .setSubmit(SubmitRun.newBuilder().setRunConf(conf("a", 1)).setName("../a")));
        assertThat(refusal()).contains("run name '../a'");
        for (String hostile :
                List.of("run { dir = ", "include file(\"/etc/hostname\")", "a = ${b}", "[".repeat(100_000))) {
            ask(ClientRequest.newBuilder().setSubmit(SubmitRun.newBuilder().setRunConf(hostile)));
            assertThat(refusal()).startsWith("CONFIG_INVALID");
        }
        ask(ClientRequest.newBuilder().setDescribe(DescribeRun.newBuilder().setRun("gone")));
        assertThat(refusal()).contains("run gone: there is none of that name");
        runs.tell(new RunsCommand.Asked(
                ClientRequest.newBuilder().setProtocolVersion(2).build(), client.ref()));
        assertThat(refusal()).contains("version 2 of the protocol");
    }

    @Test
    void nodesAreListedWithTheirGpusAndHowManyOfTheirSlotsAreHeld() {
        TestProbe<NodeCommand> node = KIT.createTestProbe();
        runs.tell(new RunsCommand.NodeJoined(
                "10.0.0.7:2550",
                "seven",
                List.of("worker", "feeder"),
                2,
                List.of("NVIDIA H200", "NVIDIA L4"),
                OWN,
                node.ref()));
        node.expectMessageClass(NodeCommand.Accepted.class);
        submit("a", 1, node);
        ask(ClientRequest.newBuilder().setNodes(ListNodes.getDefaultInstance()));
        assertThat(client.receiveMessage().getNodes().getNodesList())
                .containsExactly(NodeStatus.newBuilder()
                        .setAddress("10.0.0.7:2550")
                        .setHost("seven")
                        .addAllRoles(List.of("feeder", "worker"))
                        .setSlots(2)
                        .setHeld(1)
                        .addAllGpus(List.of("NVIDIA H200", "NVIDIA L4"))
                        .build());
    }

    @Test
    void aRunThatAsksForGpusIsNotStartedWhereThereAreNone() {
        TestProbe<NodeCommand> node = join("10.0.0.7:2550", 1);
        ask(ClientRequest.newBuilder()
                .setSubmit(SubmitRun.newBuilder().setRunConf(conf("a", 1, "parallel.device = cuda"))));
        NodeCommand.CheckRun check = node.expectMessageClass(NodeCommand.CheckRun.class);
        runs.tell(new RunsCommand.RunChecked(check.inquiry(), "10.0.0.7:2550", "", Optional.empty()));
        RunStatus status = client.receiveMessage().getStatus();
        assertThat(status.getPhase()).isEqualTo(RunStatus.Phase.WAITING);
        assertThat(status.getAwaited()).isEqualTo("1 more worker(s) with a GPU: 1 asked for, 0 free of 0");
    }

    @Test
    void aDirectoryThatIsStillBeingOpenedWhenTheLeaderStopsIsFreeAfterwards() {
        CompletableFuture<Void> stopped = new CompletableFuture<>();
        DISK.execute(stopped::join);
        submit("a", 1, join("10.0.0.7:2550", 1));
        KIT.stop(runs);
        stopped.complete(null);
        awaitDisk();
        assertThat(dir.resolve("a/run.conf")).exists();
        RunDirectory.open(dir.resolve("a"), conf("a", 1)).close();
    }

    private TestProbe<NodeCommand> join(String address, int slots) {
        TestProbe<NodeCommand> node = KIT.createTestProbe();
        runs.tell(joined(address, slots, OWN, node));
        assertThat(node.expectMessageClass(NodeCommand.Accepted.class).runs()).isEqualTo(runs);
        return node;
    }

    private static RunsCommand.NodeJoined joined(
            String address, int slots, RunsCommand.Preflight preflight, TestProbe<NodeCommand> node) {
        return new RunsCommand.NodeJoined(
                address, "host", List.of("worker", "feeder"), slots, List.of(), preflight, node.ref());
    }

    private static RunsCommand.Preflight preflight(String java, long epochMillis) {
        return new RunsCommand.Preflight("0.1.0", java, "abc", 1L << 34, epochMillis);
    }

    /** Submits a run that these nodes have nothing against. */
    @SafeVarargs
    @CanIgnoreReturnValue
    private RunStatus submit(String name, int workers, TestProbe<NodeCommand>... nodes) {
        ask(submission(name, workers));
        for (TestProbe<NodeCommand> node : nodes) {
            NodeCommand.CheckRun check = node.expectMessageClass(NodeCommand.CheckRun.class);
            runs.tell(new RunsCommand.RunChecked(check.inquiry(), "10.0.0.7:2550", "", Optional.empty()));
        }
        return client.receiveMessage().getStatus();
    }

    private ClientRequest.Builder submission(String name, int workers) {
        return ClientRequest.newBuilder().setSubmit(SubmitRun.newBuilder().setRunConf(conf(name, workers)));
    }

    private String conf(String name, int workers, String... settings) {
        return RunFixture.conf(dir.resolve(name), "parallel.workers = " + workers, String.join("\n", settings));
    }

    private void ask(ClientRequest.Builder request) {
        runs.tell(new RunsCommand.Asked(request.setProtocolVersion(1).build(), client.ref()));
    }

    private RunStatus describe(String run) {
        ask(ClientRequest.newBuilder().setDescribe(DescribeRun.newBuilder().setRun(run)));
        return client.receiveMessage().getStatus();
    }

    private String refusal() {
        ClientReply reply = client.receiveMessage();
        assertThat(reply.hasRefused()).as(reply.toString()).isTrue();
        return reply.getRefused().getFaultCode() + " " + reply.getRefused().getMessage();
    }
}
