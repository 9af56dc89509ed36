// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.typesafe.config.Config;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.chorale.node.progress.RunView;
import org.chorale.node.system.SystemConfig;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.NodeCommand;
import org.chorale.proto.message.RunsCommand;
import org.chorale.proto.wire.RunEnded;
import org.chorale.proto.wire.RunEnded.Outcome;
import org.chorale.proto.wire.RunEvent;
import org.chorale.proto.wire.StepReport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
final class LocalRunTest {
    private static final Duration LONG = Duration.ofMinutes(10);
    private static final Duration SHORT = Duration.ofMillis(20);

    private final List<RunEvent> shown = new CopyOnWriteArrayList<>();
    private final List<Integer> exitCodes = new CopyOnWriteArrayList<>();

    /** Each part is played by a behaviour that a test chooses. */
    private record Players(Leader leader, Behavior<NodeCommand> node) implements Cast {
        interface Leader {
            Behavior<CoordinatorCommand> lead(ActorRef<RunEvent> listener);
        }

        /** With a node that has nothing, and says so. */
        static Players withLeader(Leader leader) {
            return new Players(leader, Behaviors.empty());
        }

        @Override
        public String runConf() {
            return "";
        }

        @Override
        public int workers() {
            return 2;
        }

        @Override
        public int feeders() {
            return 1;
        }

        @Override
        public Config system() {
            return SystemConfig.local();
        }

        @Override
        public Behavior<CoordinatorCommand> coordinator(ActorRef<RunEvent> listener) {
            return leader.lead(listener);
        }

        @Override
        public Behavior<NodeCommand> node(ActorRef<RunsCommand> launcher) {
            return Behaviors.setup(context -> {
                ActorRef<NodeCommand> played = context.spawn(node, "played");
                context.watch(played);
                return Behaviors.receive(NodeCommand.class)
                        .onMessage(NodeCommand.EndRun.class, end -> {
                            launcher.tell(new RunsCommand.RunLeft("here", end.run()));
                            return Behaviors.same();
                        })
                        .onAnyMessage(command -> {
                            played.tell(command);
                            return Behaviors.same();
                        })
                        .build();
            });
        }
    }

    @Test
    void theRunEndsAsTheCoordinatorSaysAndEveryEventIsShownInOrder() throws InterruptedException {
        RunEnded ended = run(Players.withLeader(listener -> Behaviors.setup(context -> {
            listener.tell(step(1));
            listener.tell(step(2));
            listener.tell(end(Outcome.FINISHED, 2));
            return Behaviors.stopped();
        })));

        assertThat(ended.getOutcome()).isEqualTo(Outcome.FINISHED);
        assertThat(shown).containsExactly(step(1), step(2), end(Outcome.FINISHED, 2));
    }

    @Test
    void aSignalStopsTheRunAndIsWhatTheProcessEndsWith() throws InterruptedException {
        ByteArrayOutputStream said = new ByteArrayOutputStream();
        Cast cast = Players.withLeader(listener -> Behaviors.receive(CoordinatorCommand.class)
                .onMessage(CoordinatorCommand.StopRun.class, stop -> {
                    listener.tell(end(Outcome.STOPPED, 5));
                    return Behaviors.stopped();
                })
                .build());
        try (LocalRun run = LocalRun.start(cast, LONG, shown::add)) {
            StopOnSignal stop = stopOnSignal(run, LONG, said);
            assertThat(stop.exitCode(0)).isZero();
            stop.onSignal(15);

            assertThat(run.isOver()).isTrue();
            assertThat(run.await().getOutcome()).isEqualTo(Outcome.STOPPED);
            assertThat(stop.exitCode(0)).isEqualTo(143);
        }
        assertThat(exitCodes).as("at once").isEmpty();
        assertThat(said.toString(StandardCharsets.UTF_8))
                .isEqualTo("stopping: finishing the step and writing a checkpoint; this may take up to 600 seconds,"
                        + " and a second signal ends it at once\n");
    }

    @Test
    void aStopThatNobodyAnswersIsGivenUpWithTheReason() {
        ByteArrayOutputStream said = new ByteArrayOutputStream();
        try (LocalRun run = LocalRun.start(Players.withLeader(listener -> Behaviors.ignore()), LONG, shown::add)) {
            stopOnSignal(run, SHORT, said).onSignal(2);

            assertThat(run.isOver()).isFalse();
        }
        assertThat(exitCodes).containsExactly(130);
        assertThat(said.toString(StandardCharsets.UTF_8)).contains("gave up after 0 seconds of waiting for the step");
    }

    @Test
    void aSecondSignalEndsTheProcessAtOnceWithItsOwnExitCode() {
        ByteArrayOutputStream said = new ByteArrayOutputStream();
        try (LocalRun run = LocalRun.start(Players.withLeader(listener -> Behaviors.ignore()), LONG, shown::add)) {
            StopOnSignal stop = stopOnSignal(run, SHORT, said);
            stop.onSignal(15);
            exitCodes.clear();
            stop.onSignal(2);
        }
        assertThat(exitCodes).containsExactly(130);
        assertThat(said.toString(StandardCharsets.UTF_8)).contains("ended at once: the last checkpoint stands");
    }

    @Test
    void theNodeIsToldWhomToStartAndToEndThem() throws InterruptedException {
        List<NodeCommand> told = new CopyOnWriteArrayList<>();
        CountDownLatch engaged = new CountDownLatch(2);
        Behavior<NodeCommand> node = Behaviors.receiveMessage(command -> {
            told.add(command);
            engaged.countDown();
            return Behaviors.same();
        });
        Cast cast = new Players(
                listener -> Behaviors.receive(CoordinatorCommand.class)
                        .onMessage(CoordinatorCommand.StopRun.class, stop -> {
                            listener.tell(end(Outcome.STOPPED, 5));
                            return Behaviors.same();
                        })
                        .build(),
                node);
        try (LocalRun run = LocalRun.start(cast, LONG, shown::add)) {
            engaged.await();
            run.stop("enough");
            assertThat(run.await().getOutcome()).isEqualTo(Outcome.STOPPED);
        }
        assertThat(told.get(0))
                .isInstanceOfSatisfying(
                        NodeCommand.StartWorkers.class,
                        start -> assertThat(start.slots()).containsExactly(0, 1));
        assertThat(told.get(1))
                .isInstanceOfSatisfying(
                        NodeCommand.StartFeeder.class,
                        start -> assertThat(start.feeder()).isEqualTo("local/0"));
    }

    @Test
    void aCrashOfAnyActorIsACodedFault() throws InterruptedException {
        Cast failing = Players.withLeader(listener -> crash());
        RunEnded ended = run(failing);

        assertThat(ended.getOutcome()).isEqualTo(Outcome.FAILED);
        assertThat(ended.getFaultCode()).isEqualTo(FaultCode.DATA_EMPTY.name());
        assertThat(ended.getMessage()).isEqualTo("nothing in it");
    }

    @Test
    void aCrashInTheMiddleIsOneToo() throws InterruptedException {
        Cast cast = Players.withLeader(listener -> Behaviors.receiveMessage(message -> {
            throw new IllegalStateException("there is a sheet missing");
        }));
        try (LocalRun run = LocalRun.start(cast, LONG, shown::add)) {
            run.stop("so that there is a message");

            assertThat(run.await().getFaultCode()).isEqualTo(FaultCode.INTERNAL.name());
            assertThat(run.await().getMessage()).contains("there is a sheet missing");
        }
    }

    @Test
    void anActorThatStopsUnaskedIsABugAndNoHang() throws InterruptedException {
        RunEnded ended = run(Players.withLeader(listener -> Behaviors.stopped()));

        assertThat(ended.getFaultCode()).isEqualTo(FaultCode.INTERNAL.name());
        assertThat(ended.getMessage()).isEqualTo("the coordinator stopped without being asked to");
    }

    @Test
    void aCoordinatorThatFallsSilentEndsTheRun() throws InterruptedException {
        RunEnded ended;
        try (LocalRun run = LocalRun.start(
                Players.withLeader(listener -> Behaviors.setup(context -> {
                    listener.tell(step(7));
                    return Behaviors.ignore();
                })),
                SHORT,
                shown::add)) {
            ended = run.await();
        }
        assertThat(ended.getFaultCode()).isEqualTo(FaultCode.TIMED_OUT.name());
        assertThat(ended.getStep()).isEqualTo(7);
    }

    @Test
    void aViewThatBreaksEndsTheRunToo() {
        RunView broken = event -> {
            throw new IllegalStateException("the paper is out");
        };
        try (LocalRun run = LocalRun.start(
                Players.withLeader(listener -> Behaviors.setup(context -> {
                    listener.tell(step(1));
                    return Behaviors.ignore();
                })),
                LONG,
                broken)) {
            assertThatThrownBy(run::await)
                    .isInstanceOf(FaultException.class)
                    .hasMessageContaining("the actor system ended before the run did");
        }
    }

    private StopOnSignal stopOnSignal(LocalRun run, Duration patience, ByteArrayOutputStream said) {
        return new StopOnSignal(run, patience, new PrintStream(said, true, StandardCharsets.UTF_8), exitCodes::add);
    }

    private RunEnded run(Cast cast) throws InterruptedException {
        try (LocalRun run = LocalRun.start(cast, LONG, shown::add)) {
            return run.await();
        }
    }

    private static <T> Behavior<T> crash() {
        return Behaviors.setup(context -> {
            throw new FaultException(FaultCode.DATA_EMPTY, "nothing in it");
        });
    }

    private static RunEvent step(long step) {
        return RunEvent.newBuilder()
                .setStep(StepReport.newBuilder().setStep(step))
                .build();
    }

    private static RunEvent end(Outcome outcome, long step) {
        return RunEvent.newBuilder()
                .setEnded(RunEnded.newBuilder().setOutcome(outcome).setStep(step))
                .build();
    }
}
