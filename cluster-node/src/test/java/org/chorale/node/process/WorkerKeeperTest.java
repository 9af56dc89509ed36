// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.actor.typed.ActorRef;
import org.chorale.node.system.SystemConfig;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.CoordinatorCommand.WorkerJoined;
import org.chorale.proto.message.CoordinatorCommand.WorkerLost;
import org.chorale.proto.message.CoordinatorCommand.WorkerUnavailable;
import org.chorale.proto.message.KeeperCommand;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.slf4j.LoggerFactory;

/** Real processes, in which a stub stands in for the worker. */
@Timeout(120)
final class WorkerKeeperTest {
    private static final Duration START_UP = Duration.ofSeconds(30);
    private static final Duration AT_ONCE = Duration.ofSeconds(2);

    private ActorTestKit kit;
    private TestProbe<CoordinatorCommand> coordinator;

    @BeforeEach
    void start() {
        kit = ActorTestKit.create("keeper-test", SystemConfig.complete(SystemConfig.remote("127.0.0.1", 0)));
        coordinator = kit.createTestProbe();
    }

    @AfterEach
    void stop() {
        kit.shutdownTestKit();
    }

    @Test
    void aKilledWorkerIsReportedAtOnceAndReplaced() throws IOException, InterruptedException {
        keep(StubWorker.WORKS);
        WorkerJoined first = joined();
        Processes.signal(pid(first), "KILL");

        WorkerLost lost = coordinator.expectMessageClass(WorkerLost.class, AT_ONCE);
        assertThat(lost.worker()).isEqualTo(StubWorker.WORKS);
        assertThat(lost.incarnation()).isEqualTo(1);
        assertThat(lost.reason()).startsWith("its process %d was ended by signal 9".formatted(pid(first)));
        WorkerJoined second = joined();
        assertThat(second.incarnation()).isEqualTo(2);
        assertThat(second.device()).as("threads of each process").isEqualTo(System.getenv("OMP_NUM_THREADS"));
    }

    @Test
    void aPlaceWhoseProcessesNeverComeUpIsGivenUpWithTheirLastWords() {
        keep(StubWorker.CRASHES);

        for (int incarnation = 1; incarnation <= 3; incarnation++) {
            WorkerLost lost = coordinator.expectMessageClass(WorkerLost.class, START_UP);
            assertThat(lost.incarnation()).isEqualTo(incarnation);
            assertThat(lost.reason()).contains("ended with exit code 3").contains("there is no device here");
        }
        WorkerUnavailable unavailable = coordinator.expectMessageClass(WorkerUnavailable.class);
        assertThat(unavailable.fault().code()).isEqualTo(FaultCode.WORKER_LOST);
        assertThat(unavailable.fault().message()).contains("after 3 attempts").contains("there is no device here");
        coordinator.expectNoMessage(AT_ONCE);
    }

    @Test
    void aDismissedWorkerEndsAndTheKeeperWithIt() {
        ActorRef<KeeperCommand> keeper = keep(StubWorker.WORKS);
        WorkerJoined worker = joined();
        keeper.tell(new GiveUp());

        coordinator.expectTerminated(keeper, AT_ONCE);
        assertThat(Processes.isRunning(pid(worker))).isFalse();
        coordinator.expectNoMessage(Duration.ofMillis(100));
    }

    @Test
    void aProcessThatIsNotUpYetLosesItsLifelineAndHalts() {
        ActorRef<KeeperCommand> keeper = keep(StubWorker.SILENT);
        keeper.tell(new GiveUp());

        coordinator.expectTerminated(keeper, START_UP);
    }

    @Test
    void aProcessThatDoesNotEvenHaltIsKilled() throws IOException, InterruptedException {
        ActorRef<KeeperCommand> keeper = keep(StubWorker.WORKS);
        WorkerJoined worker = joined();
        Processes.signal(pid(worker), "STOP");
        keeper.tell(new GiveUp());

        coordinator.expectTerminated(keeper, START_UP);
        assertThat(Processes.isRunning(pid(worker))).isFalse();
    }

    /** As they reach the whole group of processes, when the node is to end the run in order. */
    @Test
    void signalsThatAreForTheNodeDoNotEndAWorker() throws IOException, InterruptedException {
        keep(StubWorker.WORKS);
        WorkerJoined worker = joined();
        for (String signal : List.of("INT", "TERM", "HUP")) {
            Processes.signal(pid(worker), signal);
        }
        coordinator.expectNoMessage(Duration.ofMillis(500));
        assertThat(Processes.isRunning(pid(worker))).isTrue();
    }

    @Test
    void anActorSystemThatEndsTakesTheProcessesWithIt() {
        keep(StubWorker.WORKS);
        WorkerJoined worker = joined();
        kit.shutdownTestKit();

        Processes.await("end of the worker", AT_ONCE, () -> !Processes.isRunning(pid(worker)));
    }

    @Test
    void whatAWorkerSaysIsLoggedWithItsPlaceAndItsLevel() {
        ListAppender<ILoggingEvent> log = new ListAppender<>();
        Logger logger = (Logger) LoggerFactory.getLogger("worker");
        logger.addAppender(log);
        log.start();
        try {
            keep(StubWorker.TALKS);
            joined();
        } finally {
            logger.detachAppender(log);
        }
        assertThat(log.list)
                .extracting(ILoggingEvent::getLevel, ILoggingEvent::getFormattedMessage)
                .contains(
                        tuple(Level.WARN, "talks/0: Stub - the music is loud"),
                        tuple(Level.WARN, "talks/0: terminate called"));
    }

    private ActorRef<KeeperCommand> keep(String place) {
        return kit.spawn(WorkerKeeper.create(Posts.of(place), coordinator.ref()));
    }

    private WorkerJoined joined() {
        return coordinator.expectMessageClass(WorkerJoined.class, START_UP);
    }

    private static long pid(WorkerJoined joined) {
        return Long.parseLong(joined.host());
    }
}
