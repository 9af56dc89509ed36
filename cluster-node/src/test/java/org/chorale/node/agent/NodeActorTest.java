// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.agent;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.pekko.actor.PoisonPill;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.FishingOutcomes;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.Adapter;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.chorale.node.process.GiveUp;
import org.chorale.node.process.Workplace;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.CoordinatorCommand.FeederJoined;
import org.chorale.proto.message.CoordinatorCommand.FeederLost;
import org.chorale.proto.message.CoordinatorCommand.WorkerLost;
import org.chorale.proto.message.FeederCommand;
import org.chorale.proto.message.KeeperCommand;
import org.chorale.proto.message.NodeCommand;
import org.chorale.proto.message.NodeCommand.Accepted;
import org.chorale.proto.message.NodeCommand.EndRun;
import org.chorale.proto.message.NodeCommand.StartFeeder;
import org.chorale.proto.message.NodeCommand.StartWorkers;
import org.chorale.proto.message.RunsCommand;
import org.chorale.proto.message.RunsCommand.NodeJoined;
import org.chorale.proto.message.RunsCommand.RunChecked;
import org.chorale.proto.message.RunsCommand.RunLeft;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Keepers are played: each tells the coordinator its place, and stops when it is given up. */
@Timeout(60)
final class NodeActorTest {
    private static final Offer OFFER =
            new Offer("10.0.0.7:2550", "seven", List.of("worker", "feeder"), 4, List.of("NVIDIA H200"));
    private static final Duration SILENCE = Duration.ofMillis(200);

    private static ActorTestKit kit;

    private TestProbe<CoordinatorCommand> coordinator;
    private TestProbe<RunsCommand> leader;
    private ActorRef<NodeCommand> node;

    private record PlayedWorkplace() implements Workplace {
        @Override
        public Behavior<KeeperCommand> keeper(String place, String runConf, ActorRef<CoordinatorCommand> coordinator) {
            return Behaviors.setup(context -> {
                coordinator.tell(new WorkerLost(place, 1, "it has only been played"));
                return Behaviors.receive(KeeperCommand.class)
                        .onMessage(GiveUp.class, giveUp -> Behaviors.stopped())
                        .build();
            });
        }
    }

    @BeforeAll
    static void startKit() {
        kit = ActorTestKit.create();
    }

    @AfterAll
    static void stopKit() {
        kit.shutdownTestKit();
    }

    @BeforeEach
    void start() {
        coordinator = kit.createTestProbe();
        leader = kit.createTestProbe();
        node = kit.spawn(NodeActor.local(OFFER, new PlayedWorkplace(), leader.ref()));
    }

    @Test
    void everySlotGetsAWorkerOnceHoweverOftenItIsAskedFor() {
        node.tell(new StartWorkers("a", "", "n1", List.of(0, 2), coordinator.ref()));
        node.tell(new StartWorkers("a", "", "n1", List.of(0, 1, 2), coordinator.ref()));

        assertThat(coordinator.receiveSeveralMessages(3))
                .extracting(message -> ((WorkerLost) message).worker())
                .containsExactlyInAnyOrder("n1/0", "n1/1", "n1/2");
        coordinator.expectNoMessage(SILENCE);
    }

    @Test
    void aRunHasLeftOnceAllOfItIsGone() {
        node.tell(new StartWorkers("a", "", "n1", List.of(0, 1), coordinator.ref()));
        node.tell(new StartFeeder("a", "", "n1", coordinator.ref()));
        ActorRef<FeederCommand> feeder = feederOf(coordinator.receiveSeveralMessages(3));
        node.tell(new EndRun("a"));

        leader.expectMessage(new RunLeft("10.0.0.7:2550", "a"));
        leader.expectTerminated(feeder);
        coordinator.expectNoMessage(SILENCE);
    }

    @Test
    void aRunThatWasNeverHereHasLeft() {
        node.tell(new EndRun("b"));

        leader.expectMessage(new RunLeft("10.0.0.7:2550", "b"));
    }

    @Test
    void aRunThatHasLeftCanComeBack() {
        node.tell(new StartWorkers("a", "", "n1", List.of(0), coordinator.ref()));
        node.tell(new EndRun("a"));
        leader.expectMessageClass(RunLeft.class);
        node.tell(new StartWorkers("a", "", "n2", List.of(0), coordinator.ref()));

        assertThat(coordinator.receiveSeveralMessages(2))
                .extracting(message -> ((WorkerLost) message).worker())
                .containsExactly("n1/0", "n2/0");
    }

    @Test
    void aFeederThatStopsIsLostAndAnotherTakesItsPlace() {
        node.tell(new StartFeeder("a", "", "n1", coordinator.ref()));
        ActorRef<FeederCommand> feeder = feederOf(coordinator.receiveSeveralMessages(1));
        Adapter.toClassic(feeder).tell(PoisonPill.getInstance(), org.apache.pekko.actor.ActorRef.noSender());

        FeederLost lost = coordinator.expectMessageClass(FeederLost.class);
        assertThat(lost.feeder()).isEqualTo("n1");
        assertThat(lost.incarnation()).isEqualTo(1);
        assertThat(lost.reason()).contains("seven");
        FeederJoined next = coordinator.expectMessageClass(FeederJoined.class);
        assertThat(next.feeder()).isEqualTo("n1");
        assertThat(next.incarnation()).isEqualTo(2);
        assertThat(next.ref()).isNotEqualTo(feeder);
    }

    @Test
    void aNodeOffersItselfUntilItIsAnswered() {
        List<Fault> refusals = new CopyOnWriteArrayList<>();
        ActorRef<NodeCommand> member =
                kit.spawn(NodeActor.member(OFFER, new PlayedWorkplace(), leader.ref(), refusals::add));
        NodeJoined joined = leader.expectMessageClass(NodeJoined.class, Duration.ofSeconds(20));
        leader.expectMessageClass(NodeJoined.class, Duration.ofSeconds(20));
        member.tell(new NodeCommand.Refused(new Fault(FaultCode.NODE_UNFIT, "its Java is another")));

        assertThat(joined.slots()).isEqualTo(4);
        assertThat(joined.preflight().classPathDigest()).hasSize(64);
        assertThat(joined.preflight().freeMemoryBytes()).isPositive();
        leader.expectNoMessage(Duration.ofSeconds(3));
        assertThat(refusals).extracting(Fault::message).containsExactly("its Java is another");
    }

    @Test
    void whatWasStartedInALeadersNameEndsWithItAndTheNodeOffersItselfAnew() {
        TestProbe<RunsCommand> entrance = kit.createTestProbe();
        ActorRef<NodeCommand> member =
                kit.spawn(NodeActor.member(OFFER, new PlayedWorkplace(), entrance.ref(), refused -> {}));
        entrance.expectMessageClass(NodeJoined.class, Duration.ofSeconds(20));
        TestProbe<RunsCommand> first = kit.createTestProbe();
        member.tell(new Accepted(first.ref()));
        member.tell(new StartWorkers("a", "", "n1", List.of(0), coordinator.ref()));
        coordinator.expectMessageClass(WorkerLost.class);
        first.stop();

        entrance.fishForMessage(
                Duration.ofSeconds(20),
                message ->
                        message instanceof RunLeft ? FishingOutcomes.complete() : FishingOutcomes.continueAndIgnore());
        entrance.expectMessageClass(NodeJoined.class, Duration.ofSeconds(20));
    }

    @Test
    void aRunWhoseFilesAreNotHereIsUnfit() {
        node.tell(new NodeCommand.CheckRun(7, Runs.conf("model.path = /no/such/folder")));

        RunChecked answer = leader.expectMessageClass(RunChecked.class, Duration.ofSeconds(20));
        assertThat(answer.inquiry()).isEqualTo(7);
        assertThat(answer.fault())
                .hasValueSatisfying(fault -> assertThat(fault.message()).contains("model.path = /no/such/folder"));
    }

    @Test
    void aRunWhoseClassesAreNotHereIsUnfitByTheirNames() {
        node.tell(new NodeCommand.CheckRun(8, Runs.conf("pipeline.loss.type = com.example.Missing")));

        RunChecked answer = leader.expectMessageClass(RunChecked.class, Duration.ofSeconds(20));
        assertThat(answer.fault()).hasValueSatisfying(fault -> {
            assertThat(fault.code()).isEqualTo(FaultCode.NODE_UNFIT);
            assertThat(fault.message()).contains("com.example.Missing");
        });
    }

    private static ActorRef<FeederCommand> feederOf(List<CoordinatorCommand> messages) {
        return messages.stream()
                .filter(FeederJoined.class::isInstance)
                .map(message -> ((FeederJoined) message).ref())
                .findFirst()
                .orElseThrow();
    }
}
