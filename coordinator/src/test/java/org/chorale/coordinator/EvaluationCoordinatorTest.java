// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.time.Duration;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.ManualTime;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.actor.typed.ActorRef;
import org.chorale.coordinator.directory.RunFixture;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.FeederCommand;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.proto.wire.EvaluationReport;
import org.chorale.proto.wire.RankHolding;
import org.chorale.proto.wire.RunEnded;
import org.chorale.proto.wire.RunEnded.Outcome;
import org.chorale.proto.wire.RunEvent;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

class EvaluationCoordinatorTest {
    private static final ActorTestKit KIT = ActorTestKit.create(Rehearsal.PATIENT.withFallback(ManualTime.config()));
    private static final ManualTime TIME = ManualTime.get(KIT.system());
    private static final String CONF = RunFixture.conf(Path.of("temporary"), "run.progress-timeout = 1 minute");

    private final TestProbe<WorkerCommand> worker = KIT.createTestProbe();
    private final TestProbe<FeederCommand> feeder = KIT.createTestProbe();
    private final TestProbe<RunEvent> listener = KIT.createTestProbe();
    private final ActorRef<CoordinatorCommand> coordinator =
            KIT.spawn(EvaluationCoordinator.create(CONF, listener.ref()));
    private long generation;

    @AfterAll
    static void shutDown() {
        KIT.shutdownTestKit();
    }

    @Test
    void aModelIsLoadedWithoutAnythingToTrainAndMeasured() {
        describe(3, 100);
        WorkerCommand.TakeShard take = worker.expectMessageClass(WorkerCommand.TakeShard.class);
        assertThat(take.checkpoint()).isEmpty();
        assertThat(take.plan().getUnits(0).getGroupsList()).isNotEmpty().noneMatch(group -> group.getTrainable());
        coordinator.tell(new CoordinatorCommand.ShardReady(generation, 0, 0, 1, RankHolding.getDefaultInstance()));
        worker.expectMessage(new WorkerCommand.Evaluate(generation, 0));
        coordinator.tell(new CoordinatorCommand.StillWorking(generation, 2));
        RunEvent working = listener.receiveMessage();
        assertThat(working.getWorking().getDone()).isEqualTo(2);
        assertThat(working.getWorking().getTotal()).isEqualTo(3);
        EvaluationReport report =
                EvaluationReport.newBuilder().setLossNats(2).setExamples(3).build();
        coordinator.tell(new CoordinatorCommand.Evaluated(generation, 0, report));
        assertThat(listener.receiveMessage().getEvaluation()).isEqualTo(report);
        worker.expectMessage(new WorkerCommand.Dismiss());
        assertThat(ended().getOutcome()).isEqualTo(Outcome.FINISHED);
    }

    @Test
    void whatDoesNotFitIsRefusedBeforeTheModelIsLoaded() {
        describe(0, 101);
        RunEnded ended = ended();
        assertThat(ended.getFaultCode()).isEqualTo("DATA_EMPTY");
        assertThat(ended.getMessage()).contains("no usable example").contains("token ids up to 100");
    }

    @Test
    void everyFailureEndsItWithItsFault() {
        join();
        Fault fault = new Fault(FaultCode.DATA_MALFORMED, "held-out.jsonl:7");
        coordinator.tell(new CoordinatorCommand.FeedFailed(generation, fault));
        RunEnded ended = ended();
        assertThat(ended.getFaultCode()).isEqualTo("DATA_MALFORMED");
        assertThat(ended.getMessage()).isEqualTo("held-out.jsonl:7");
    }

    @Test
    void aWorkerThatIsGoneEndsIt() {
        describe(3, 100);
        worker.stop();
        RunEnded ended = listener.receiveMessage().getEnded();
        assertThat(ended.getFaultCode()).isEqualTo("WORKER_LOST");
        assertThat(ended.getMessage()).contains("the model to be loaded");
    }

    @Test
    void silenceEndsItAndNamesWhatWasAwaited() {
        describe(3, 100);
        coordinator.tell(new CoordinatorCommand.ShardReady(generation, 0, 0, 1, RankHolding.getDefaultInstance()));
        TIME.timePasses(Duration.ofSeconds(59));
        coordinator.tell(new CoordinatorCommand.StillWorking(generation, 2));
        assertThat(listener.receiveMessage().hasWorking()).isTrue();
        TIME.expectNoMessageFor(Duration.ofSeconds(59), listener);
        TIME.timePasses(Duration.ofSeconds(1));
        RunEnded ended = ended();
        assertThat(ended.getFaultCode()).isEqualTo("TIMED_OUT");
        assertThat(ended.getMessage()).contains("the evaluation");
    }

    @Test
    void newsThatNobodyAskedForIsABug() {
        describe(3, 100);
        coordinator.tell(new CoordinatorCommand.SpanDone(generation, 0, 4));
        assertThat(ended().getFaultCode()).isEqualTo("INTERNAL");
    }

    @Test
    void aStopEndsItAtOnce() {
        join();
        coordinator.tell(new CoordinatorCommand.StopRun("interrupted"));
        assertThat(ended().getOutcome()).isEqualTo(Outcome.STOPPED);
    }

    @Test
    void wrongSettingsAreRefusedBeforeAnythingStarts() {
        String wrong = RunFixture.conf(Path.of("temporary"), "data.sequence-tokens = 0");
        assertThatThrownBy(() -> EvaluationCoordinator.create(wrong, listener.ref()))
                .isInstanceOf(FaultException.class)
                .hasMessageContaining("data.sequence-tokens = 0");
    }

    private void join() {
        coordinator.tell(new CoordinatorCommand.WorkerJoined("local/0", 1, "host", "cpu", worker.ref()));
        coordinator.tell(new CoordinatorCommand.FeederJoined("local", 1, "host", feeder.ref()));
        generation =
                worker.expectMessageClass(WorkerCommand.DescribeModel.class).generation();
        feeder.expectMessageClass(FeederCommand.DescribeData.class);
    }

    private void describe(long examples, long tokenIds) {
        join();
        coordinator.tell(new CoordinatorCommand.ModelDescribed(generation, Rehearsal.MODEL));
        coordinator.tell(
                new CoordinatorCommand.DataDescribed(generation, 0, examples, 1, 0, examples, tokenIds, "digest"));
    }

    private RunEnded ended() {
        RunEvent event = listener.receiveMessage();
        assertThat(event.hasEnded()).as(event.toString()).isTrue();
        worker.expectTerminated(coordinator);
        return event.getEnded();
    }
}
